import {
  addUp,
  down,
  gamma,
  mulUp,
  sqrtDown,
  sqrtUp,
  sumOfSquaresDown,
  sumOfSquaresUp,
  up,
} from "./rounding.ts";

/**
 * How far a computed product may be from the true one: ‖fl(A v) − A v‖ ≤ absolute·‖v‖ + relative·σ₁·‖v‖.
 * - a matrix of N columns: relative γ_N·√min(m, n), because ‖|A|‖₂ ≤ ‖A‖_F ≤ √min(m, n)·σ₁;
 * - sums of products with cancellation between factors carry an absolute term.
 */
export interface ProductError {
  readonly absolute: number;
  readonly relative: number;
}

/** More than what products below float64's normal range can add up to: 2⁶⁰ errors of 2⁻¹⁰⁷⁴. */
export const UNDERFLOW = 2 ** -1000;

/** The error of plain sums of at most `terms` products per entry, for an operator of rank at most `rank`. */
export function productError(terms: number, rank: number): ProductError {
  return { absolute: UNDERFLOW, relative: mulUp(gamma(terms + 1), sqrtUp(rank)) };
}

function scaledNorm(
  x: Float64Array,
  bound: (sum: number, count: number) => number,
): { sum: number; scale: number } {
  let max = 0;
  for (let i = 0; i < x.length; i++) max = Math.max(max, Math.abs(x[i]!));
  if (max === 0) return { sum: 0, scale: 1 };
  let scale = 1;
  if (max > 2 ** 400) scale = 2 ** -600;
  if (max < 2 ** -400) scale = 2 ** 600;
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (x[i]! * scale) ** 2;
  return { sum: bound(sum, x.length), scale };
}

/** A number ≥ ‖x‖₂ exactly. */
export function normUp(x: Float64Array): number {
  const { sum, scale } = scaledNorm(x, sumOfSquaresUp);
  return up(sqrtUp(sum) / scale);
}

/** A number ≤ ‖x‖₂ exactly (entries so small that they underflow when squared are left out). */
export function normDown(x: Float64Array): number {
  const { sum, scale } = scaledNorm(x, sumOfSquaresDown);
  return down(sqrtDown(sum) / scale);
}

/**
 * A rigorous lower bound of σ₁ from one product y = fl(A v):
 * ‖y‖ ≤ ‖A v‖ + absolute‖v‖ + relative·σ₁‖v‖ ≤ σ₁‖v‖(1 + relative) + absolute‖v‖.
 */
export function lowerBound(v: Float64Array, y: Float64Array, error: ProductError): number {
  const length = normUp(v);
  // An overflow on the way (in an inner factor, say) tells nothing about the product.
  if (!(length > 0) || !y.every(Number.isFinite)) return 0;
  const stretched = down(normDown(y) / length) - error.absolute;
  if (!(stretched > 0)) return 0;
  return down(down(stretched) / addUp(1, error.relative));
}
