import { numpy as np } from "@jax-js/jax";
import { checkNotNegative, checkOptions, checkPositive } from "../checks.ts";
import { ShapeError } from "../errors.ts";
import { atLeastFloat32 } from "../layers/precision.ts";
import type { Tensor } from "../types.ts";
import { checkArrays, classified } from "./classes.ts";

export interface HkrOptions {
  /** Weight of the hinge term against the Wasserstein term. Default 10. */
  readonly alpha?: number;
  /** Margin of the hinge term, on both sides of 0. Default 1. */
  readonly margin?: number;
}

/**
 * Hinge-Kantorovich–Rubinstein loss of a 1-Lipschitz classifier (Serrurier et al. 2021, arXiv:2006.06520):
 *
 *   −(mean of f over the class − mean of f over the rest) + alpha · mean max(0, margin − s·f),   s = ±1 by class.
 *
 * Binary for outputs [batch] or [batch, 1], where label 1 is the positive class and 0 the other. For [batch, classes] the same
 * loss for each class against the rest, mean over the classes. A class that a batch lacks has mean 0. Consumes `outputs` and
 * `labels` [batch] (int32).
 * @throws ShapeError, TrainError for labels that do not fit, alpha < 0, margin ≤ 0.
 */
export function hkr(outputs: Tensor, labels: Tensor, options: HkrOptions = {}): Tensor {
  checkOptions("hkr", options, ["alpha", "margin"]);
  const alpha = checkNotNegative("hkr", "alpha", options.alpha ?? 10);
  const margin = checkPositive("hkr", "margin", options.margin ?? 1);
  checkArrays("hkr", { outputs, labels });
  const { scores, own } = oneAgainstRest(outputs, labels);
  const other = np.logicalNot(own.ref);
  const distance = meanWhere(own.ref, scores.ref).sub(meanWhere(other, scores.ref));
  const signed = np.where(own, scores.ref, scores.neg());
  const hinge = np.maximum(0, signed.neg().add(margin));
  return np.mean(hinge).mul(alpha).sub(np.mean(distance));
}

/** Scores [batch, columns], and for each column whether the example is of its class. */
function oneAgainstRest(outputs: Tensor, labels: Tensor): { scores: Tensor; own: Tensor } {
  const [batch, columns = 1] = outputs.shape;
  if (outputs.ndim > 2 || columns > 1) return classified("hkr", outputs, labels);
  if (labels.ndim !== 1 || labels.shape[0] !== batch) {
    throw new ShapeError(
      `hkr takes one label for each output; got outputs [${outputs.shape}] and labels [${labels.shape}].`,
    );
  }
  return {
    scores: atLeastFloat32(outputs).reshape([batch, 1]),
    own: np.equal(labels, 1).reshape([batch, 1]),
  };
}

/** Mean of each column over the rows where the mask is true; 0 where it never is. Consumes both. */
function meanWhere(mask: Tensor, scores: Tensor): Tensor {
  const count = mask.ref.astype(scores.dtype).sum(0);
  return np.where(mask, scores, 0).sum(0).div(np.maximum(1, count));
}
