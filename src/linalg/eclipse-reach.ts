import { addUp, gamma, mulUp, sqrtUp, sumOfSquaresUp, UNIT_ROUNDOFF, up } from "./rounding.ts";

/**
 * More than all the results of one layer can lose below float64's normal range: fewer than 2⁶⁰ errors of 2⁻¹⁰⁷⁴,
 * none multiplied by more than 2¹¹⁰ (entries are scaled to about 1).
 */
export const UNDERFLOW = 2 ** -900;

/**
 * How far a layer's pre-activations can move when the input of the run moves by 1: zzᵀ ⪯ 4^exponent · entries for
 * every such difference z, in the order of positive semidefinite matrices and with rounding included.
 */
export interface Reach {
  readonly n: number;
  /** n × n, row-major, symmetric, positive semidefinite; the largest diagonal entry is between 1 and about 4. */
  readonly entries: Float64Array;
  readonly exponent: number;
  /** Σ_j entries[i, j]², upper bounds. */
  readonly squares: Float64Array;
  /** Upper bound of ‖entries‖_F. */
  readonly frobenius: number;
}

/**
 * The reach given by a computed lower triangle.
 * @param entries n × n, row-major; taken over and overwritten.
 * @param error upper bound of the spectral norm of what the true matrix may exceed the symmetric one by.
 * @returns null when something overflowed.
 */
export function reachOf(entries: Float64Array, n: number, error: number, exponent: number): Reach | null {
  let top = addUp(error, UNDERFLOW);
  for (let i = 0; i < n; i++) top = Math.max(top, entries[i * n + i]!);
  if (!(top < Number.POSITIVE_INFINITY)) return null;
  const { factor, power } = fourToUnit(top);
  const slack = addUp(mulUp(addUp(error, UNDERFLOW), factor), UNDERFLOW);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      const entry = entries[i * n + j]! * factor;
      entries[i * n + j] = entry;
      entries[j * n + i] = entry;
    }
    // A diagonal that rounding made negative is one no larger than the slack.
    entries[i * n + i] = up(Math.max(entries[i * n + i]! * factor + slack, 0));
  }
  const squares = rowSquares(entries, n);
  const frobenius = sqrtUp(squares.reduce(addUp, 0));
  if (!(frobenius < Number.POSITIVE_INFINITY)) return null;
  return { n, entries, exponent: exponent - power, squares, frobenius };
}

/** 4^power = factor with 1 ≤ factor·x < 4, for x ≥ 2⁻⁹⁰⁰. */
function fourToUnit(x: number): { factor: number; power: number } {
  let factor = 1;
  let power = 0;
  for (; x * factor >= 4; power--) factor /= 4;
  for (; x * factor < 1; power++) factor *= 4;
  return { factor, power };
}

function rowSquares(entries: Float64Array, n: number): Float64Array {
  return Float64Array.from({ length: n }, (_, i) => {
    let sum = 0;
    for (let j = i * n; j < (i + 1) * n; j++) sum += entries[j]! * entries[j]!;
    return squaresUp(sum, n);
  });
}

/** An upper bound of a sum of `count` squares computed as `sum` in any order, some of which may have underflowed. */
export function squaresUp(sum: number, count: number): number {
  return addUp(sumOfSquaresUp(sum, count), UNDERFLOW);
}

/** What adding two matrices entry by entry loses, in norm: u·‖sum‖_F. */
export function additionError(entries: Float64Array, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) sum += entries[i * n + j]! ** 2;
  return mulUp(2 * UNIT_ROUNDOFF, sqrtUp(mulUp(2, squaresUp(sum, n * n))));
}

/** γ_k/(1 − γ_k), rounded up: an error of γ_k·x stated in terms of the computed x̂ ≥ (1 − γ_k)·x. */
export function gammaOfComputed(k: number): number {
  // γ_k/(1 − γ_k) = k·u/(1 − 2k·u) ≤ γ_{2k} for k ≥ 1.
  return gamma(2 * k);
}
