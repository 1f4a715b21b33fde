import { numpy as np } from "@jax-js/jax";
import { atLeastFloat32 } from "../layers/precision.ts";
import type { Tensor } from "../types.ts";
import type { Held } from "./rule.ts";

/** A weight's matrix with no more rows than columns, in float32 or better, and the way back. */
export interface WideMatrix {
  readonly matrix: Tensor;
  /** The weight of a changed matrix, in the weight's own shape and type; consumes it. */
  back(matrix: Tensor): Tensor;
}

/** The matrix of a weight, transposed where it is tall: matrix functions then work on its small Gram matrix. Lends `held`. */
export function wideMatrix({ operator, weight }: Held): WideMatrix {
  const [rows, columns] = operator.matrix.shape(weight.shape);
  const { shape, dtype } = weight;
  const turn = (matrix: Tensor) => (rows > columns ? np.transpose(matrix) : matrix);
  return {
    matrix: turn(operator.matrix.of(atLeastFloat32(weight.ref))),
    back: (matrix) => operator.matrix.restore(turn(matrix), shape).astype(dtype),
  };
}

/** The number with ‖operator‖ ≤ factor·σ₁(matrix) for this weight. */
export function operatorFactor({ operator, weight }: Held): number {
  return operator.matrix.factor(weight.shape);
}

/** The identity of the size and type of a square matrix. Lends it. */
export function identityLike(square: Tensor): Tensor {
  return np.eye(square.shape[0], undefined, { dtype: square.dtype });
}

/** W Wᵀ. Lends W. */
export function gram(matrix: Tensor): Tensor {
  return np.matmul(matrix.ref, np.transpose(matrix.ref));
}

/** Σ aᵢⱼ². Consumes the matrix. */
export function squaredNorm(matrix: Tensor): Tensor {
  return np.sum(np.square(matrix));
}

/** The largest sum of magnitudes in a row: for a symmetric matrix no eigenvalue is larger. Lends the matrix. */
export function largestRowSum(matrix: Tensor): Tensor {
  return np.max(np.sum(np.abs(matrix.ref), 1));
}
