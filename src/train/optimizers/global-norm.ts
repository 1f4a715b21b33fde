import { numpy as np } from "@jax-js/jax";
import { checkPositive } from "../checks.ts";
import { atLeastFloat32 } from "../layers/precision.ts";
import type { Tensor, Tree } from "../types.ts";
import { leavesOf, treeLike } from "./leaves.ts";

/** √Σ g² over every array of a tree, a float32 scalar (float64 where an array is). Lends the tree. */
export function globalNorm(gradient: Tree): Tensor {
  return normOfSquares(squaredNorms(gradient));
}

/** Σ g² of each array of a tree, in order. Lends the tree. */
export function squaredNorms(gradient: Tree): Tensor[] {
  return leavesOf(gradient).map((leaf) => np.sum(np.square(atLeastFloat32(leaf.ref))));
}

/** The global norm from `squaredNorms`; consumes them. */
export function normOfSquares(squares: readonly Tensor[]): Tensor {
  return np.sqrt(squares.reduce((sum, square) => sum.add(square), np.zeros([], { dtype: np.float32 })));
}

/** torch.nn.utils.clip_grad_norm_ divides by the norm plus this. */
const SLACK = 1e-6;

/**
 * The gradient scaled so that its norm over all parameters is at most `max`; torch.nn.utils.clip_grad_norm_ (Pascanu et al.
 * 2013, arXiv:1211.5063). Consumes the gradient.
 * @throws TrainError unless `max` is a positive number.
 */
export function clipGlobalNorm(gradient: Tree, max: number): Tree {
  checkPositive("clipGlobalNorm", "max", max);
  return scaledToNorm(gradient, globalNorm(gradient), max);
}

/** The same with the norm known already; consumes both. */
export function scaledToNorm(gradient: Tree, norm: Tensor, max: number): Tree {
  const factor = np.minimum(1, np.reciprocal(norm.add(SLACK)).mul(max));
  const scaled = leavesOf(gradient).map((leaf) => {
    const { dtype } = leaf;
    return atLeastFloat32(leaf).mul(factor.ref).astype(dtype);
  });
  factor.dispose();
  return treeLike(gradient, scaled);
}
