import type { RunMatrix } from "./eclipse-chain.ts";
import { binaryExponent } from "./eclipse-chain.ts";
import { UNDERFLOW } from "./eclipse-reach.ts";
import { normUp } from "./lower-bound.ts";
import { addUp, gamma, mulUp, scaleToUnit } from "./rounding.ts";

/** One functional of a run's output as a row behind the last activation. The true row is 2^exponent times this. */
export interface Functional {
  /** fl(f·W), largest entry between 1 and 2, or all zero. */
  readonly entries: Float64Array;
  /** Upper bound of the entries' ℓ2 norm; 0 exactly where all are. */
  readonly norm: number;
  /** Upper bound of the ℓ2 distance to the true row. */
  readonly error: number;
  readonly exponent: number;
}

/** The rows f·W of count functionals f (row-major): |fl(f·W) − f·W| ≤ γ·|f||W| and the error of W. */
export function functionalsOf(matrix: RunMatrix, functionals: Float64Array, count: number): Functional[] {
  const { rows, cols } = matrix;
  const scale = unitScale(matrix.entries);
  const weights = matrix.entries.map((x) => x * scale);
  const spread = addUp(mulUp(gamma(rows + 1), normUp(weights)), mulUp(matrix.error, scale));
  return Array.from({ length: count }, (_, k) => {
    const given = functionals.subarray(k * rows, (k + 1) * rows);
    const size = unitScale(given);
    const f = given.map((x) => x * size);
    const row = new Float64Array(cols);
    for (let i = 0; i < rows; i++) {
      if (f[i] !== 0) for (let j = 0; j < cols; j++) row[j]! += f[i]! * weights[i * cols + j]!;
    }
    const last = unitScale(row);
    const entries = row.map((x) => x * last);
    const error = isZero(f) ? 0 : mulUp(addUp(mulUp(normUp(f), spread), UNDERFLOW), last);
    return {
      entries,
      norm: isZero(entries) ? 0 : normUp(entries),
      error,
      exponent: -(binaryExponent(scale) + binaryExponent(size) + binaryExponent(last)),
    };
  });
}

function isZero(x: Float64Array): boolean {
  return x.every((value) => value === 0);
}

/** The power of two that brings the largest entry between 1 and 2; 1 where all are zero. */
function unitScale(x: Float64Array): number {
  const largest = x.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return largest === 0 ? 1 : scaleToUnit(largest);
}
