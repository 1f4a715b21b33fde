import { jit, numpy as np } from "@jax-js/jax";
import { checkCount, checkOptions, checkPositive } from "../checks.ts";
import { denseOperator } from "../layers/dense-operator.ts";
import type { Tensor } from "../types.ts";
import type { BjorckControl } from "./control.ts";
import { gram, operatorFactor, wideMatrix, widened } from "./matrices.ts";
import { inverseSquareRoot } from "./matrix-functions.ts";
import type { ControlRule, Held } from "./rule.ts";

export interface BjorckOptions {
  /** The largest stretch the layer may have. Default 1. */
  readonly cap?: number;
  /** Björck steps in every use of the weight. Default 1: between steps the stored weight is kept orthonormal. */
  readonly iterations?: number;
}

/** A defect of 0.1, as an optimiser's step leaves it, falls to 0.008 in the stored weight and to 5e-5 in its use. */
const RETRACTION_STEPS = 1;

/** Starting weights may be nearly singular: 32 steps in all raise singular values of 1e-5; each round computes WWᵀ anew. */
const STARTING_ROUNDS = 4;
const STEPS_OF_A_ROUND = 8;

/**
 * Orthonormal weights: the layer uses cap·(the orthonormal matrix nearest to W), by Björck's iteration
 * W ← (3/2)W − (1/2)WWᵀW (Björck & Bowie 1971; Anil, Lucas & Grosse 2019, arXiv:1811.05381): orthonormal rows when W is
 * wide, orthonormal columns when it is tall. Gradients flow through the steps.
 *
 * `project` takes one more step with the stored weight, which changes nothing about the nearest orthonormal matrix and keeps
 * the weight close to it: a single step in every use is then enough, and its derivative is that of the nearest orthonormal
 * matrix. Singular values approach the cap from below, also after steps too large for the iteration. A convolution's
 * matrix is its reshaped kernel, and the layer is divided by the number that bounds the convolution by it.
 * @throws TrainError for a cap that is not a positive number, a count that is not a whole number, or unknown options.
 */
export function bjorck(options: BjorckOptions = {}): BjorckControl {
  checkOptions("bjorck", options, ["cap", "iterations"]);
  return {
    kind: "bjorck",
    cap: checkPositive("bjorck", "cap", options.cap ?? 1),
    iterations: checkCount("bjorck", "iterations", options.iterations ?? 1),
  };
}

export const bjorckRule: ControlRule<BjorckControl> = {
  init(_control, held, _inputShape, key) {
    key.dispose();
    return { weight: retracted(held, orthonormalStart), state: {} };
  },

  effective(control, held) {
    const { matrix, back } = wideMatrix(held);
    return {
      weight: back(towardsOrthonormal(matrix, control.iterations, control.cap / operatorFactor(held))),
    };
  },

  // P(WWᵀ)·W costs three products of W's size with its gradient; (P W)x as P(Wx) only a few of the batch's.
  output(control, held, _state, x) {
    const [rows, columns] = held.operator.matrix.shape(held.weight.shape);
    const examples = x.size / x.shape[x.ndim - 1];
    if (held.operator !== denseOperator || examples >= Math.max(rows, columns)) return undefined;
    const { matrix } = wideMatrix(held);
    const mixing = inverseSquareRoot(gram(matrix), control.iterations).mul(control.cap);
    matrix.dispose();
    return rows > columns
      ? denseOperator.apply(held.weight.ref, np.matmul(x, mixing))
      : np.matmul(denseOperator.apply(held.weight.ref, x), np.transpose(mixing));
  },

  advance: () => ({}),

  project: (_control, held) => ({
    weight: retracted(held, (matrix) => towardsOrthonormal(matrix, RETRACTION_STEPS)),
    state: {},
  }),

  promise: ({ cap }) => ({ cap, norm: "operator" }),
};

/** The stored weight, its wide matrix moved by `steps`, which consumes it. Lends `held`. */
function retracted(held: Held, steps: (matrix: Tensor) => Tensor): Tensor {
  return widened(held, (wide) => {
    const { matrix, back } = wideMatrix(wide);
    return back(steps(matrix)).astype(held.weight.dtype);
  });
}

/** A round of steps as one function: step by step, jax-js would carry each step's pending work along to the next. */
const startingRound = jit((matrix: Tensor) => towardsOrthonormal(matrix, STEPS_OF_A_ROUND));

/** The matrix after as many steps as bring any starting weight close to its nearest orthonormal matrix; consumes it. */
function orthonormalStart(matrix: Tensor): Tensor {
  let orthonormal = matrix;
  for (let round = 0; round < STARTING_ROUNDS; round++) orthonormal = startingRound(orthonormal);
  return orthonormal;
}

/**
 * `gain` times W after `steps` Björck steps, computed as P(WWᵀ)·W so that only two products are of W's size. No singular
 * value of the result exceeds `gain`, rounding aside. Consumes W, which has no more rows than columns.
 */
function towardsOrthonormal(matrix: Tensor, steps: number, gain = 1): Tensor {
  return np.matmul(inverseSquareRoot(gram(matrix), steps).mul(gain), matrix);
}
