import { numpy as np } from "@jax-js/jax";
import { atLeastFloat32 } from "../layers/precision.ts";
import type { Tensor } from "../types.ts";
import type { Held } from "./rule.ts";

/** Its eighth power is a tenth of a billionth of the largest float32; √k times a singular value of 4 is below for k ≤ 10⁶. */
const LARGEST = 2 ** 12;

/** Its reciprocal is finite in float32. */
const SMALLEST = 2 ** -100;

/** A weight's matrix with no more rows than columns, and the way back. */
export interface WideMatrix {
  readonly matrix: Tensor;
  /** The weight of a changed matrix, in the weight's own shape; consumes it. */
  back(matrix: Tensor): Tensor;
}

/** The matrix of a weight, transposed where it is tall: matrix functions then work on its small Gram matrix. Lends `held`. */
export function wideMatrix({ operator, weight }: Held): WideMatrix {
  const [rows, columns] = operator.matrix.shape(weight.shape);
  const { shape } = weight;
  const turn = (matrix: Tensor) => (rows > columns ? np.transpose(matrix) : matrix);
  return {
    matrix: turn(operator.matrix.of(weight.ref)),
    back: (matrix) => operator.matrix.restore(turn(matrix), shape),
  };
}

/**
 * Calls `use` with a float16 weight as float32, the type of norms and matrix functions; other types as they are. Between steps
 * only: jax-js cannot differentiate a change of type, so a weight in use is computed in its own. Lends `held`.
 */
export function widened<T>(held: Held, use: (held: Held) => T): T {
  const weight = atLeastFloat32(held.weight.ref);
  const result = use({ ...held, weight });
  weight.dispose();
  return result;
}

/** The number with ‖operator‖ ≤ factor·σ₁(matrix) for this weight. */
export function operatorFactor({ operator, weight }: Held): number {
  return operator.matrix.factor(weight.shape);
}

/** The identity of the size and type of a square matrix. Lends it. */
export function identityLike(square: Tensor): Tensor {
  return np.eye(square.shape[0]).astype(square.dtype);
}

/** W Wᵀ. Lends W. */
export function gram(matrix: Tensor): Tensor {
  return np.matmul(matrix.ref, np.transpose(matrix.ref));
}

/**
 * W, scaled down where its Frobenius norm is above LARGEST times the edge: eighth powers of the singular values of W/edge,
 * which the matrix functions sum, then stay finite in float32. Other weights keep every digit. Consumes W.
 */
export function withinReach(matrix: Tensor, edge: number): Tensor {
  const size = np.maximum(np.max(np.abs(matrix.ref)), SMALLEST);
  const relative = np.sqrt(squaredNorm(matrix.ref.mul(np.reciprocal(size.ref))));
  // In this order: the product of size and relative norm may be infinite.
  const allowed = np.reciprocal(relative).mul(LARGEST * edge);
  return matrix.mul(np.minimum(1, allowed.mul(np.reciprocal(size))));
}

/** Σ aᵢⱼ². Consumes the matrix. */
export function squaredNorm(matrix: Tensor): Tensor {
  return np.sum(np.square(matrix));
}

/** The largest sum of magnitudes in a row: for a symmetric matrix no eigenvalue is larger. Lends the matrix. */
export function largestRowSum(matrix: Tensor): Tensor {
  return np.max(np.sum(np.abs(matrix.ref), 1));
}
