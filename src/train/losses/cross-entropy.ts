import { nn, numpy as np } from "@jax-js/jax";
import type { Tensor } from "../types.ts";
import { classified } from "./classes.ts";

/**
 * −log softmax(logits) at the label, mean over the batch; torch.nn.CrossEntropyLoss. A scalar; √2-Lipschitz in each example's
 * logits. Consumes `logits` [..., classes] and `labels` [...] (int32, 0 … classes − 1).
 * @throws ShapeError, TrainError for labels that do not fit.
 */
export function crossEntropy(logits: Tensor, labels: Tensor): Tensor {
  const { scores, own } = classified("crossEntropy", logits, labels);
  return crossEntropyAt(scores, own);
}

/** The same for labels given as a mask that is true at the label, of the shape of the logits. Consumes both. */
export function crossEntropyAt(scores: Tensor, own: Tensor): Tensor {
  const normalizer = nn.logsumexp(scores.ref, -1);
  return np.mean(normalizer.sub(np.where(own, scores, 0).sum(-1)));
}
