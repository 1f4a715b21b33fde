/**
 * The symmetric tridiagonal matrix T a Lanczos run builds: `diagonal[0..k)` and `off[0..k−1)` beside it
 * (off[k−1], the residual, belongs to the next step). Only its top singular pair is wanted.
 */

/** Whether t lies above every value of the spectrum of T (Sturm: all pivots of t·I − T are positive). */
function isAbove(diagonal: readonly number[], off: readonly number[], k: number, t: number): boolean {
  let pivot = t - diagonal[0]!;
  if (!(pivot > 0)) return false;
  for (let j = 1; j < k; j++) {
    pivot = t - diagonal[j]! - (off[j - 1]! * off[j - 1]!) / pivot;
    if (!(pivot > 0)) return false;
  }
  return true;
}

/**
 * The largest Ritz value of T by bisection, to a few ulps, from above: T's spectrum lies at or below the result.
 * @param below a value known not to exceed it (the previous step's, say).
 */
export function topRitzValue(
  diagonal: readonly number[],
  off: readonly number[],
  k: number,
  below = 0,
): number {
  let low = below;
  let high = 0;
  for (let j = 0; j < k; j++) {
    const radius = (j > 0 ? off[j - 1]! : 0) + (j < k - 1 ? off[j]! : 0);
    low = Math.max(low, diagonal[j]!);
    high = Math.max(high, diagonal[j]! + radius);
  }
  high *= 1 + 4e-16 * k;
  for (let i = 0; i < 80 && high - low > 4e-16 * high; i++) {
    const middle = low + (high - low) / 2;
    if (isAbove(diagonal, off, k, middle)) high = middle;
    else low = middle;
  }
  return high;
}

/** Unit vector of T's largest Ritz value `theta`, by inverse iteration from just above it. */
export function topRitzVector(
  diagonal: readonly number[],
  off: readonly number[],
  k: number,
  theta: number,
): Float64Array {
  const shift = theta * (1 + 1e-14);
  const pivots = new Float64Array(k);
  for (let j = 0; j < k; j++) {
    const previous = j === 0 ? 0 : (off[j - 1]! * off[j - 1]!) / pivots[j - 1]!;
    pivots[j] = Math.max(shift - diagonal[j]! - previous, 1e-18 * shift);
  }
  const x = new Float64Array(k).fill(1 / Math.sqrt(k));
  for (let sweep = 0; sweep < 3; sweep++) {
    for (let j = 1; j < k; j++) x[j]! += (off[j - 1]! / pivots[j - 1]!) * x[j - 1]!;
    for (let j = 0; j < k; j++) x[j]! /= pivots[j]!;
    for (let j = k - 2; j >= 0; j--) x[j]! += (off[j]! / pivots[j]!) * x[j + 1]!;
    let square = 0;
    for (let j = 0; j < k; j++) square += x[j]! * x[j]!;
    const scale = 1 / Math.sqrt(square);
    for (let j = 0; j < k; j++) x[j]! *= scale;
  }
  return x;
}
