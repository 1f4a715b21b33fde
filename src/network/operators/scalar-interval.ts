import type { Interval } from "./operation.ts";

/**
 * Interval arithmetic on single numbers. Ends may be infinite: they stand for intervals without an end, so 0 · ∞ is
 * 0 (every number in such an interval is finite) and an end that overflows becomes the largest number where it must
 * not pass the truth.
 */

/** The interval that says nothing. */
export const EVERYTHING: Interval = [-Infinity, Infinity];

/** x rounded towards −∞: below every real that rounds to x. NaN says nothing: −∞. */
export function roundDown(x: number): number {
  if (x === Infinity) return Number.MAX_VALUE;
  return x > -Infinity ? x - (Math.abs(x) * 2 ** -52 + Number.MIN_VALUE) : -Infinity;
}

/** x rounded towards +∞: above every real that rounds to x. NaN says nothing: ∞. */
export function roundUp(x: number): number {
  return -roundDown(-x);
}

/** True when the interval holds x. */
export function holds([lo, hi]: Interval, x: number): boolean {
  return lo <= x && x <= hi;
}

/** The smallest interval around both. */
export function hull(a: Interval, b: Interval): Interval {
  return [Math.min(a[0], b[0]), Math.max(a[1], b[1])];
}

/** What both have in common, where that is known not to be empty. */
export function meet(a: Interval, b: Interval): Interval {
  return [Math.max(a[0], b[0]), Math.min(a[1], b[1])];
}

export function negative([lo, hi]: Interval): Interval {
  return [0 - hi, 0 - lo];
}

/** a + b; adding exactly 0 changes nothing. */
export function sum(a: Interval, b: Interval): Interval {
  if (b[0] === 0 && b[1] === 0) return a;
  if (a[0] === 0 && a[1] === 0) return b;
  return [roundDown(a[0] + b[0]), roundUp(a[1] + b[1])];
}

/** True where a · b is one of its factors, its negative or 0: exact. */
function exact(a: number, b: number): boolean {
  return a === 0 || b === 0 || Math.abs(a) === 1 || Math.abs(b) === 1;
}

function times(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : a * b;
}

function timesDown(a: number, b: number): number {
  return exact(a, b) ? times(a, b) : roundDown(a * b);
}

/** a · b. */
export function product([a, b]: Interval, [c, d]: Interval): Interval {
  const lo = Math.min(timesDown(a, c), timesDown(a, d), timesDown(b, c), timesDown(b, d));
  const hi = Math.min(timesDown(-a, c), timesDown(-a, d), timesDown(-b, c), timesDown(-b, d));
  return [lo, 0 - hi];
}

function overDown(a: number, b: number): number {
  // Towards an infinite end of b quotients approach 0, which other corners pass where a has no end either.
  return a === 0 || !Number.isFinite(b) ? 0 : roundDown(a / b);
}

/** a / b; everything where b may be 0. */
export function quotient([a, b]: Interval, [c, d]: Interval): Interval {
  if (c <= 0 && d >= 0) return EVERYTHING;
  const lo = Math.min(overDown(a, c), overDown(a, d), overDown(b, c), overDown(b, d));
  const hi = Math.min(overDown(-a, c), overDown(-a, d), overDown(-b, c), overDown(-b, d));
  return [lo, 0 - hi];
}
