import { lax, numpy as np } from "@jax-js/jax";
import type { Tensor } from "../types.ts";
import { inverseOf } from "./inverse.ts";
import { identityLike, largestRowSum, squaredNorm } from "./matrices.ts";

/**
 * Functions of symmetric matrices by Newton–Schulz iterations: products only, so that they can be traced, differentiated
 * and run natively, and a fixed number of steps (Higham, Functions of Matrices, 2008, §5.3 and §6.7).
 */

/** Where the eigenvalues of G are known to be below this the steps for G^{-1/2} converge (they do below 3). */
const CONVERGES_BELOW = 2.5;

/** How far the sign of the smallest eigenvalue that counts may stay from ±1: what float32 can tell. */
const SIGN_TOLERANCE = 1e-7;

/**
 * G^{-1/2} of a symmetric G with eigenvalues ≥ 0 after `steps` Newton–Schulz steps M = (3I − G)/2, G ← MGM, with the product
 * of the Ms. √λ times the result is at most 1 for every eigenvalue λ of G, also where the steps have not converged: small
 * eigenvalues are raised by 2.25 in each. A zero eigenvalue gets a finite value. Consumes G.
 */
export function inverseSquareRoot(square: Tensor, steps: number): Tensor {
  const identity = identityLike(square);
  const scale = inverseOf(safeDivisor(square, identity));
  const halfMore = identity.mul(1.5);
  let current = square.mul(scale.ref);
  let product: Tensor | undefined;
  for (let step = 1; step <= steps; step++) {
    const factor = halfMore.ref.sub(current.ref.mul(0.5));
    const next = step < steps ? np.matmul(np.matmul(factor.ref, current.ref), factor.ref) : current.ref;
    current.dispose();
    current = next;
    product = product ? np.matmul(product, factor) : factor;
  }
  current.dispose();
  halfMore.dispose();
  return product!.mul(np.sqrt(scale));
}

/**
 * What to divide G by so that no eigenvalue is above CONVERGES_BELOW: 1 where none is. Their bound is the smaller of the
 * largest row sum and 1 + (Σe⁴)^{1/4} over the eigenvalues e of G − I: the second is near the truth where G was perturbed
 * at random, the first up to √n too large. Dividing by no more than needed matters: all singular values shrink with it,
 * and the steps raise them again only by 1.5 each. Lends both.
 */
function safeDivisor(square: Tensor, identity: Tensor): Tensor {
  const still = lax.stopGradient(square.ref);
  const rowSum = largestRowSum(still);
  const gap = still.sub(identity.ref);
  const fourthPowers = squaredNorm(np.matmul(gap.ref, gap));
  const near = np.sqrt(np.sqrt(fourthPowers)).add(1);
  // Not the minimum: the fourth powers of a huge weight are infinite, and their sum of differences is not a number.
  const bound = np.where(np.less(near.ref, rowSum.ref), near, rowSum);
  return np.maximum(1, bound.mul(1 / CONVERGES_BELOW));
}

/**
 * The sign of a symmetric matrix: each eigenvalue s becomes ±1 if |s| is at least `floor` times an upper bound of the
 * largest magnitude, and something between 0 and ±1 below. Newton–Schulz steps, scaled so that the smallest magnitude
 * still to be raised grows fastest (Chen & Chow 2014). Consumes S.
 */
export function matrixSign(symmetric: Tensor, floor: number): Tensor {
  const identity = identityLike(symmetric);
  const [first, ...rest] = signSteps(floor);
  // (Σ s⁴)^{1/4} ≥ |s| for every eigenvalue; S² is needed for the first step anyway.
  const square = np.matmul(symmetric.ref, symmetric.ref);
  const bound = np.sqrt(np.sqrt(squaredNorm(square.ref)));
  const inverse = np.reciprocal(np.where(np.greater(bound.ref, 0), bound, 1));
  let x = signStep(symmetric.mul(inverse.ref), square.mul(np.square(inverse)), identity.ref, first);
  for (const step of rest) x = signStep(x, np.matmul(x.ref, x.ref), identity.ref, step);
  identity.dispose();
  return x;
}

/** x ← x(a − b x²). */
interface SignStep {
  readonly a: number;
  readonly b: number;
}

/** X(aI − bX²). Consumes everything. */
function signStep(x: Tensor, square: Tensor, identity: Tensor, { a, b }: SignStep): Tensor {
  return np.matmul(x, identity.mul(a).sub(square.mul(b)));
}

/** Steps that take every magnitude in [floor, 1] to 1: x(3 − (ρx)²)ρ/2 with ρ² = 3/(1 + l + l²) for the lowest l so far. */
function signSteps(floor: number): SignStep[] {
  const steps: SignStep[] = [];
  let lowest = floor;
  do {
    const rho = Math.sqrt(3 / (1 + lowest + lowest * lowest));
    const step = { a: 1.5 * rho, b: 0.5 * rho ** 3 };
    lowest *= step.a - step.b * lowest * lowest;
    steps.push(step);
  } while (1 - lowest > SIGN_TOLERANCE);
  return steps;
}
