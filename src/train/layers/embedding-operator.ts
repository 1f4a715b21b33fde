import { numpy as np } from "@jax-js/jax";
import { dense } from "../../linalg/dense.ts";
import { adjointOf } from "../../linalg/operators.ts";
import type { WeightOperator } from "../weight.ts";

/** v ↦ Wᵀ v for a table W [count, dim]: what an embedding does to one-hot vectors, and to mixtures of them. */
export const embeddingOperator: WeightOperator = {
  apply: (weight, v) => np.matmul(v, weight),
  adjoint: (weight, u) => np.matmul(u, np.transpose(weight)),
  outputShape: ([, dim], inputShape) => [...inputShape.slice(0, -1), dim],
  matrix: {
    shape: ([count, dim]) => [count, dim],
    of: (weight) => weight,
    restore: (matrix) => matrix,
    factor: () => 1,
  },
  exact: (values, [count, dim]) => adjointOf(dense(values, count, dim)),
};
