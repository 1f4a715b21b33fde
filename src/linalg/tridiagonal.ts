/**
 * The symmetric tridiagonal matrix T a Lanczos run builds: `diagonal[0..k)` and `off[0..k−1)` beside it
 * (off[k−1], the residual, belongs to the next step). Only its top singular pair is wanted.
 */

/** How many Ritz values lie at or above t (Sturm: the pivots of t·I − T that are not positive). */
function countFrom(diagonal: readonly number[], off: readonly number[], k: number, t: number): number {
  let count = 0;
  let pivot = t - diagonal[0]!;
  if (!(pivot > 0)) count++;
  for (let j = 1; j < k; j++) {
    const divisor = pivot === 0 ? -1e-300 : pivot;
    pivot = t - diagonal[j]! - (off[j - 1]! * off[j - 1]!) / divisor;
    if (!(pivot > 0)) count++;
  }
  return count;
}

/** Whether t lies above the whole spectrum of T. */
function isAbove(diagonal: readonly number[], off: readonly number[], k: number, t: number): boolean {
  let pivot = t - diagonal[0]!;
  if (!(pivot > 0)) return false;
  for (let j = 1; j < k; j++) {
    pivot = t - diagonal[j]! - (off[j - 1]! * off[j - 1]!) / pivot;
    if (!(pivot > 0)) return false;
  }
  return true;
}

/** The `count` largest Ritz values in decreasing order, by bisection, to about 1e-12 of the largest. */
export function leadingRitzValues(
  diagonal: readonly number[],
  off: readonly number[],
  k: number,
  count: number,
): number[] {
  const top = topRitzValue(diagonal, off, k);
  const values: number[] = [];
  for (let index = 1; index <= Math.min(count, k); index++) {
    let low = 0;
    let high = values.at(-1) ?? top;
    while (high - low > 1e-12 * top) {
      const middle = low + (high - low) / 2;
      if (countFrom(diagonal, off, k, middle) >= index) low = middle;
      else high = middle;
    }
    values.push(high);
  }
  return values;
}

/**
 * The residual ‖M y − θ y‖ of a Ritz pair: off[k−1] times the last entry of T's unit vector for θ. Some σ² of the
 * matrix lies within it of θ.
 */
export function ritzResidual(
  diagonal: readonly number[],
  off: readonly number[],
  k: number,
  theta: number,
): number {
  // Only the ratio of the last entry to the norm matters: run the vector's three-term recurrence from that entry.
  let norm = 1;
  let next = 0;
  let current = 1;
  for (let j = k - 1; j > 0; j--) {
    const previous = ((theta - diagonal[j]!) * current - (j < k - 1 ? off[j]! * next : 0)) / off[j - 1]!;
    next = current;
    current = previous;
    norm = Math.hypot(norm, current);
    if (norm > 1e100) return 0;
  }
  return off[k - 1]! / norm;
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
