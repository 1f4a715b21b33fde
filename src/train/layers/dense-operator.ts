import { numpy as np } from "@jax-js/jax";
import { dense } from "../../linalg/dense.ts";
import type { WeightOperator } from "../weight.ts";

/** x ↦ W x for a weight of shape [outputs, inputs], PyTorch's layout; further axes of x between batch and features are kept. */
export const denseOperator: WeightOperator = {
  apply: (weight, x) => np.matmul(x, np.transpose(weight)),
  adjoint: (weight, y) => np.matmul(y, weight),
  outputShape: ([outputs], inputShape) => [...inputShape.slice(0, -1), outputs],
  matrix: {
    shape: ([rows, columns]) => [rows, columns],
    of: (weight) => weight,
    restore: (matrix) => matrix,
    factor: () => 1,
  },
  exact: (values, [rows, columns]) => dense(values, rows, columns),
};
