import { down, scaleToUnit, sqrtDown, sqrtUp, sumOfSquaresDown, sumOfSquaresUp, up } from "./rounding.ts";

/** ‖A‖_F enclosed: [lower, upper], NaN where an entry is not finite. */
export function frobeniusNorm(entries: Float32Array | Float64Array): { lower: number; upper: number } {
  let max = 0;
  for (const a of entries) {
    if (!Number.isFinite(a)) return { lower: Number.NaN, upper: Number.NaN };
    max = Math.max(max, Math.abs(a));
  }
  if (max === 0) return { lower: 0, upper: 0 };
  const scale = scaleToUnit(max);
  let sum = 0;
  for (const a of entries) sum += (a * scale) ** 2;
  // Entries below 2⁻⁵³⁷ of the largest may vanish when squared: the term added covers them.
  const lost = entries.length * 2 ** -500;
  return {
    lower: down(sqrtDown(sumOfSquaresDown(sum, entries.length)) / scale),
    upper: up(sqrtUp(sumOfSquaresUp(sum, entries.length) + lost) / scale),
  };
}

/** An upper bound of ‖A‖_F. */
export function matrixFrobeniusUp(entries: Float32Array | Float64Array): number {
  return frobeniusNorm(entries).upper;
}
