/**
 * Outward rounding for nonnegative bounds. JavaScript only rounds to nearest, so each result is pushed one relative
 * ulp (and one subnormal) away from the truth: after any single +, × or ÷ of nonnegative numbers, `up` makes an
 * upper bound of the exact result and `down` a lower one. `Math.sqrt` and friends are only
 * implementation-approximated in the language, so roots are verified by multiplying back.
 */

/** Unit roundoff of float64, 2⁻⁵³. */
export const UNIT_ROUNDOFF = 2 ** -53;

const ULP = 2 ** -52;
const TINY = 5e-324;

/** A number ≥ every real that rounds to x ≥ 0. NaN stays NaN. */
export function up(x: number): number {
  return x * (1 + ULP) + TINY;
}

/** A number ≤ every real that rounds to x ≥ 0, never negative. NaN stays NaN. */
export function down(x: number): number {
  if (x === Number.POSITIVE_INFINITY) return Number.MAX_VALUE;
  return Math.max(x * (1 - ULP) - TINY, 0);
}

/** a + b rounded up, a, b ≥ 0. */
export function addUp(a: number, b: number): number {
  return up(a + b);
}

/** a · b rounded up, a, b ≥ 0; 0 · ∞ is 0, as an absent term. */
export function mulUp(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : up(a * b);
}

/** a / b rounded up, a ≥ 0, b > 0. */
export function divUp(a: number, b: number): number {
  return up(a / b);
}

/** An upper bound of √x, x ≥ 0. */
export function sqrtUp(x: number): number {
  if (x === 0) return 0;
  if (!(x > 0)) return Number.NaN;
  if (x === Number.POSITIVE_INFINITY) return x;
  // Squares of such roots would be subnormal and the check below meaningless; scaling by 4^±k is exact.
  if (x < 2 ** -500) return sqrtUp(x * 2 ** 600) * 2 ** -300;
  let r = up(Math.sqrt(x));
  while (!(down(r * r) >= x)) r = up(r);
  return r;
}

/** A lower bound of √x, x ≥ 0. */
export function sqrtDown(x: number): number {
  if (x === 0) return 0;
  if (!(x > 0)) return Number.NaN;
  if (x === Number.POSITIVE_INFINITY) return Number.MAX_VALUE;
  if (x < 2 ** -500) return sqrtDown(x * 2 ** 600) * 2 ** -300;
  let r = down(Math.sqrt(x));
  while (!(up(r * r) <= x)) r = down(r);
  return r;
}

/** γ_k = k·u / (1 − k·u) rounded up: the relative error of k float64 roundings (Higham, §3.1). */
export function gamma(k: number): number {
  const ku = up(k * UNIT_ROUNDOFF);
  return divUp(ku, down(1 - ku));
}

/** An upper bound of ΣN squares whose float64 sum, in any order, is `sum` (no overflow or underflow on the way). */
export function sumOfSquaresUp(sum: number, count: number): number {
  return up(sum * (1 + (count + 4) * ULP));
}

/** A lower bound of a sum of N squares whose float64 sum, in any order, is `sum`. */
export function sumOfSquaresDown(sum: number, count: number): number {
  return down(sum * (1 - (count + 4) * ULP));
}

/**
 * A power of two p with 1 ≤ p·x < 2 for finite x > 0 (smaller products only for x below 2⁻¹⁰²², where p stops at
 * 2¹⁰²²). Multiplying by p is exact unless the product is subnormal.
 */
export function scaleToUnit(x: number): number {
  let p = 1;
  while (p * x >= 2) p /= 2;
  while (p * x < 1 && p < 2 ** 1022) p *= 2;
  return p;
}
