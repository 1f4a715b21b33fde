import type { Merit } from "./eclipse-multipliers.ts";
import { product } from "./eclipse-products.ts";

/** log 4, one step of a reach's exponent. */
const LOG_FOUR = Math.log(4);

/** Rows of the derivative shorter than this share of the longest are left out. */
const NEGLIGIBLE = 1e-6;

/**
 * For all outputs at once: log λ₁(M), smoothed as (1/17)·log tr(M¹⁷), which is at most 0.14 more for ten outputs. Its
 * derivative M¹⁶/tr(M¹⁷) is the square of M⁸, so no decomposition is needed.
 */
export const largestMerit: Merit = ({ n, entries, exponent }) => {
  let power = entries;
  for (let i = 0; i < 3; i++) power = product(power, power, n, n, n);
  const next = product(power, entries, n, n, n);
  let trace = 0;
  for (let i = 0; i < power.length; i++) trace += power[i]! * next[i]!;
  return {
    value: Math.log(trace) / 17 + LOG_FOUR * exponent,
    derivative: () =>
      longestRows(
        power.map((x) => x / Math.sqrt(trace)),
        n,
      ),
  };
};

/** The rows of a square matrix without negligible ones. */
function longestRows(matrix: Float64Array, n: number) {
  const rows = Array.from({ length: n }, (_, i) => matrix.subarray(i * n, (i + 1) * n));
  const squares = rows.map((row) => row.reduce((sum, x) => sum + x * x, 0));
  const least = NEGLIGIBLE ** 2 * squares.reduce((a, b) => Math.max(a, b), 0);
  const kept = rows.filter((_, i) => squares[i]! > least);
  const entries = new Float64Array(kept.length * n);
  kept.forEach((row, i) => {
    entries.set(row, i * n);
  });
  return { entries, signs: kept.map(() => 1) };
}

/** For each output by itself: the mean of log Mᵢᵢ. */
export const eachMerit: Merit = ({ n, entries, exponent }) => {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += Math.log(entries[i * n + i]!);
  return {
    value: sum / n + LOG_FOUR * exponent,
    derivative() {
      const rows = new Float64Array(n * n);
      for (let i = 0; i < n; i++) rows[i * n + i] = 1 / Math.sqrt(n * entries[i * n + i]!);
      return { entries: rows, signs: Array.from({ length: n }, () => 1) };
    },
  };
};
