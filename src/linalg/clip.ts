import { OperatorError } from "./errors.ts";
import { singularValueDecomposition } from "./svd.ts";

/**
 * The matrix with every singular value above `ceiling` lowered to it: the nearest one in Frobenius norm whose
 * spectral norm is at most `ceiling`, up to rounding (certify what you store).
 * @param a row-major, rows × cols; not changed.
 * @throws OperatorError when the ceiling is negative, the shape not the data's, or an entry not finite.
 */
export function clipSingularValues(
  a: Float64Array,
  rows: number,
  cols: number,
  ceiling: number,
): Float64Array {
  if (!(ceiling >= 0)) throw new OperatorError("ceiling of singular values", ceiling, "a number ≥ 0");
  return withSpectrum(a, rows, cols, (s) => s.map((value) => Math.min(value, ceiling)));
}

/**
 * The matrix with its singular values replaced by `change(s)`. Only what changes is added up, so that directions
 * whose singular value stays keep their digits.
 */
export function withSpectrum(
  a: Float64Array,
  rows: number,
  cols: number,
  change: (s: Float64Array) => Float64Array,
): Float64Array {
  const { u, s, v } = singularValueDecomposition(a, rows, cols);
  const target = change(s);
  const k = s.length;
  const result = a.slice();
  for (let l = 0; l < k; l++) {
    const difference = target[l]! - s[l]!;
    if (difference === 0) continue;
    for (let i = 0; i < rows; i++) {
      const factor = difference * u[i * k + l]!;
      for (let j = 0; j < cols; j++) result[i * cols + j]! += factor * v[j * k + l]!;
    }
  }
  return result;
}
