import { numpy as np } from "@jax-js/jax";
import { checkOptions, checkPositive } from "../checks.ts";
import type { Tensor } from "../types.ts";
import { classified } from "./classes.ts";

export interface MulticlassHingeOptions {
  /** By how much the label's logit should exceed every other. Default 1. */
  readonly margin?: number;
}

/**
 * Σ_{j≠y} max(0, margin − (f_y − f_j)), mean over the batch (Anil et al. 2019, arXiv:1811.05381): the number of classes times
 * torch.nn.MultiMarginLoss. With an L-Lipschitz network an example whose loss is 0 is certified within margin/(√2·L), so a
 * margin is a radius asked for. Consumes `logits` [batch, classes] and `labels` [batch] (int32).
 * @throws ShapeError, TrainError for labels that do not fit, or a margin that is not positive.
 */
export function multiclassHinge(
  logits: Tensor,
  labels: Tensor,
  options: MulticlassHingeOptions = {},
): Tensor {
  checkOptions("multiclassHinge", options, ["margin"]);
  const margin = checkPositive("multiclassHinge", "margin", options.margin ?? 1);
  const { scores, own } = classified("multiclassHinge", logits, labels);
  const right = np.where(own.ref, scores.ref, 0).sum(-1, { keepdims: true });
  const shortfall = np.maximum(0, scores.sub(right).add(margin));
  return np.mean(np.where(own, 0, shortfall).sum(-1));
}
