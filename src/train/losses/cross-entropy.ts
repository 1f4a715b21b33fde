import type { Tensor } from "../types.ts";
import { classified } from "./classes.ts";
import { maskedCrossEntropy } from "./masked-cross-entropy.ts";

/**
 * −log softmax(logits) at the label, mean over the batch; torch.nn.CrossEntropyLoss. A scalar; √2-Lipschitz in each example's
 * logits. Consumes `logits` [..., classes] and `labels` [...] (int32, 0 … classes − 1).
 * @throws ShapeError, TrainError for labels that do not fit.
 */
export function crossEntropy(logits: Tensor, labels: Tensor): Tensor {
  const { scores, own } = classified("crossEntropy", logits, labels);
  return maskedCrossEntropy(scores, own);
}
