import { numpy as np } from "@jax-js/jax";
import { atLeastFloat32 } from "../layers/precision.ts";
import { joinSteps } from "../layers/steps.ts";
import { leavesOf } from "../optimizers/leaves.ts";
import type { Tensor, Tree } from "../types.ts";

/**
 * What a compiled step tells the host, as one vector, so that reading it out is one transfer: the loss, then for each parameter
 * Σg² of its gradient and Σw of its new value (NaN or infinite when an entry is), then what the monitor saw.
 */
export interface StepReport {
  readonly loss: number;
  /** The norm of the gradient over all parameters, before clipping. */
  readonly gradientNorm: number;
  /** Of each parameter, in the order of the tree. */
  readonly gradientNorms: readonly number[];
  readonly isFinite: readonly boolean[];
  readonly observed: readonly number[];
}

/** The vector. `params` is lent, everything else consumed. */
export function packReport(
  loss: Tensor,
  squares: readonly Tensor[],
  params: Tree,
  observed: readonly Tensor[],
): Tensor {
  // A sum reads every entry once and writes nothing, and no finite network of float32 sums to infinity.
  const sums = leavesOf(params).map((param) => np.sum(atLeastFloat32(param.ref)));
  const scalars = [loss, ...squares, ...sums, ...observed];
  return joinSteps(scalars.map((scalar) => scalar.astype(np.float32)));
}

export function unpackReport(vector: ArrayLike<number>, parameters: number): StepReport {
  const [loss, ...rest] = Array.from(vector);
  const squares = rest.slice(0, parameters);
  return {
    loss,
    gradientNorm: Math.sqrt(squares.reduce((sum, square) => sum + square, 0)),
    gradientNorms: squares.map(Math.sqrt),
    isFinite: rest.slice(parameters, 2 * parameters).map(Number.isFinite),
    observed: rest.slice(2 * parameters),
  };
}
