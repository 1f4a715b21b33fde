import { numpy as np } from "@jax-js/jax";
import { checkOptions, checkPositive } from "../checks.ts";
import { ShapeError } from "../errors.ts";
import { atLeastFloat32 } from "../layers/precision.ts";
import type { Tensor } from "../types.ts";
import { classified } from "./classes.ts";
import { maskedCrossEntropy } from "./masked-cross-entropy.ts";

export interface CertifiedCrossEntropyOptions {
  /** The ℓ2 radius within which predictions should not change, in units of the network's input. */
  readonly epsilon: number;
}

/**
 * Cross-entropy with one more class ⊥, "not certified at ε", whose logit is max_{j≠y}(f_j + ε·L_yj): the largest another class
 * can reach, relative to the label's, within ε (after GloRo, Leino et al. 2021, arXiv:2102.08452). An example is certified
 * when f_y is above it.
 *
 * Consumes `logits` [batch, classes], `labels` [batch] (int32) and `pairBounds` [classes, classes], whose entry (y, j) bounds
 * the Lipschitz constant of f_y − f_j; `pairwiseBounds` makes it from a last linear layer.
 * @throws ShapeError, TrainError for labels or bounds that do not fit, epsilon ≤ 0.
 */
export function certifiedCrossEntropy(
  logits: Tensor,
  labels: Tensor,
  pairBounds: Tensor,
  options: CertifiedCrossEntropyOptions,
): Tensor {
  checkOptions("certifiedCrossEntropy", options, ["epsilon"]);
  const epsilon = checkPositive("certifiedCrossEntropy", "epsilon", options.epsilon);
  const [batch, classes] = logits.shape;
  if (logits.ndim !== 2 || String(pairBounds.shape) !== String([classes, classes])) {
    throw new ShapeError(
      `certifiedCrossEntropy takes logits [batch, classes] and bounds [classes, classes]; got [${logits.shape}] and [${pairBounds.shape}].`,
    );
  }
  const { scores, own } = classified("certifiedCrossEntropy", logits, labels);
  const ofLabel = np.matmul(own.ref.astype(scores.dtype), atLeastFloat32(pairBounds));
  const reachable = scores.ref.add(ofLabel.mul(epsilon));
  const notCertified = np.where(own.ref, -Infinity, reachable).max(-1, { keepdims: true });
  const padding = np.zeros([batch, 1], { dtype: own.dtype });
  return maskedCrossEntropy(np.concatenate([scores, notCertified], 1), np.concatenate([own, padding], 1));
}

/**
 * L_yj = ‖w_y − w_j‖·rest: bounds of the differences of two logits of a network that ends in a linear layer with the weight
 * given ([classes, features], as the layer uses it), `rest` (a scalar) bounding everything before. Consumes both; the result
 * is [classes, classes], with zeros and zero derivatives where two rows are equal.
 * @throws ShapeError unless the weight is a matrix and the rest a scalar.
 */
export function pairwiseBounds(lastWeight: Tensor, rest: Tensor): Tensor {
  if (lastWeight.ndim !== 2 || rest.ndim !== 0) {
    throw new ShapeError(
      `pairwiseBounds takes a weight [classes, features] and a scalar bound of the rest; got [${lastWeight.shape}] and [${rest.shape}].`,
    );
  }
  const weight = atLeastFloat32(lastWeight);
  const differences = np.expandDims(weight.ref, 1).sub(np.expandDims(weight, 0));
  const squares = np.square(differences).sum(-1);
  const apart = np.greater(squares.ref, 0);
  const lengths = np.sqrt(np.where(apart.ref, squares, 1));
  return np.where(apart, lengths, 0).mul(atLeastFloat32(rest));
}
