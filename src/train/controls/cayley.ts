import { numpy as np, tree } from "@jax-js/jax";
import { checkOptions, checkPositive } from "../checks.ts";
import type { Tensor } from "../types.ts";
import type { CayleyControl } from "./control.ts";
import { inverseOf } from "./inverse.ts";
import { identityLike, largestRowSum, operatorFactor, squaredNorm, wideMatrix, widened } from "./matrices.ts";
import type { ControlRule, Held } from "./rule.ts";

export interface CayleyOptions {
  /** The largest stretch the layer may have. Default 1. */
  readonly cap?: number;
}

/** Newton steps to the first inverse; each doubles the digits, and 30 are enough for a condition number of 10⁴. */
const STARTING_STEPS = 30;

/** The layer may be steeper than the cap by this much while training. */
const USUAL_ERROR = 0.01;

/**
 * Orthonormal weights by Cayley's transform: for W = [U V] with square U, the layer uses cap·[(I − A)(I + A)⁻¹, …]ᵀ with
 * A = Uᵀ − U + VVᵀ, whose rows (W wide) or columns (W tall) are orthonormal for every W (Trockman & Kolter 2021,
 * arXiv:2104.07167). It reaches no matrix with the eigenvalue −1 in its square part.
 *
 * The inverse is kept in the state and refined by two Newton steps in every `advance`; each use adds one differentiable
 * step, whose derivative is that of the inverse. Where the kept inverse has become useless (weights replaced by others) it is
 * started anew; the layer is then flatter than the cap until a few steps have passed, never steeper. A convolution's
 * matrix is its reshaped kernel, and the layer is divided by the number that bounds the convolution by it.
 * @throws TrainError for a cap that is not a positive number, or unknown options.
 */
export function cayley(options: CayleyOptions = {}): CayleyControl {
  checkOptions("cayley", options, ["cap"]);
  return { kind: "cayley", cap: checkPositive("cayley", "cap", options.cap ?? 1) };
}

export const cayleyRule: ControlRule<CayleyControl> = {
  init(_control, held, _inputShape, key) {
    key.dispose();
    const shifted = widened(held, shiftedOf);
    let inverse = coldStart(shifted);
    for (let step = 0; step < STARTING_STEPS; step++) {
      inverse = newtonStep(inverse, np.matmul(inverse.ref, shifted.ref));
    }
    shifted.dispose();
    return { weight: held.weight.ref, state: { inverse } };
  },

  effective(control, held, state) {
    const { matrix, back } = wideMatrix(held);
    const { shifted, rest } = parts(matrix);
    const kept = (state.inverse as Tensor).ref.astype(shifted.dtype);
    const product = np.matmul(kept.ref, shifted);
    const inverse = newtonStep(kept, product.ref);
    // After the step the product of inverse and matrix is T(2I − T), T the product before.
    const after = newtonStep(product.ref, product);
    const gain = safeGain(after).mul(control.cap / operatorFactor(held));
    const square = inverse.ref.mul(2).sub(after);
    if (!rest) inverse.dispose();
    const wide = rest ? np.concatenate([square, np.matmul(inverse.mul(-2), rest)], 1) : square;
    return { weight: back(wide.mul(gain)) };
  },

  advance(_control, held, state) {
    return { inverse: refined(widened(held, shiftedOf), (state.inverse as Tensor).ref) };
  },

  project: (_control, held, state) => ({ weight: held.weight.ref, state: tree.ref(state) }),

  promise: ({ cap }) => ({ cap, norm: "operator" }),
};

/** B = I + U − Uᵀ + VVᵀ and V of W = [U V], no more rows than columns; B is invertible for every W. Consumes W. */
function parts(matrix: Tensor): { shifted: Tensor; rest: Tensor | undefined } {
  const [rows, columns] = matrix.shape;
  const [square, rest] = rows < columns ? np.split(matrix, [rows], 1) : [matrix, undefined];
  const skew = square.ref.sub(np.transpose(square));
  const shifted = identityLike(skew).add(skew);
  return { shifted: rest ? shifted.add(np.matmul(rest.ref, np.transpose(rest.ref))) : shifted, rest };
}

/** B alone. Lends `held`. */
function shiftedOf(held: Held): Tensor {
  const { shifted, rest } = parts(wideMatrix(held).matrix);
  rest?.dispose();
  return shifted;
}

/** (2I − T)X: one Newton step from X towards the inverse of B, T = XB. Consumes both. */
function newtonStep(inverse: Tensor, product: Tensor): Tensor {
  return inverse.ref.mul(2).sub(np.matmul(product, inverse));
}

/**
 * Two Newton steps; or a new start where the error I − XB after the first is as large as no iteration from a new start ever
 * has it (its squared Frobenius norm is below the number of rows), or is NaN. Consumes both.
 */
function refined(shifted: Tensor, kept: Tensor): Tensor {
  const first = newtonStep(kept.ref, np.matmul(kept, shifted.ref));
  const product = np.matmul(first.ref, shifted.ref);
  const usable = np.less(squaredError(product), shifted.shape[0]);
  const start = coldStart(shifted);
  shifted.dispose();
  return np.where(usable, newtonStep(first, product), start);
}

/** Bᵀ/(‖B‖₁‖B‖∞): from it Newton's steps converge for every invertible B. Lends B. */
function coldStart(shifted: Tensor): Tensor {
  const transposed = np.transpose(shifted.ref);
  const bound = largestRowSum(shifted).mul(largestRowSum(transposed));
  return transposed.div(bound);
}

/**
 * 1 where the product of inverse and matrix is near the identity. Otherwise one over an upper bound of its norm (at least 1),
 * by which the transform exceeds an orthonormal matrix. Lends the product.
 */
function safeGain(product: Tensor): Tensor {
  const near = np.less(squaredError(product), USUAL_ERROR ** 2);
  const transposed = np.transpose(product.ref);
  const bound = np.maximum(1, largestRowSum(product).mul(largestRowSum(transposed)));
  transposed.dispose();
  return inverseOf(np.sqrt(np.where(near, 1, bound)));
}

/** ‖I − T‖_F². Lends T. */
function squaredError(product: Tensor): Tensor {
  return squaredNorm(identityLike(product).sub(product.ref));
}
