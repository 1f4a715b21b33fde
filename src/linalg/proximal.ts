import { withSpectrum } from "./clip.ts";
import { checkLength, OperatorError } from "./errors.ts";

/**
 * A penalty φ on a matrix W: ½σ₁² ("squared-spectral"), σ₁ ("spectral") or ½‖W‖_F² ("frobenius", weight decay).
 */
export type SpectralPenalty = "squared-spectral" | "spectral" | "frobenius";

/**
 * The proximal map of λφ on singular values: the decreasing s′ that minimises ½‖s′ − s‖² + λφ(s′). The spectral
 * penalties level the top of the spectrum and keep the tail; decay shrinks all of it alike.
 * @param s decreasing, nonnegative; not changed.
 * @param lambda λ ≥ 0
 * @throws OperatorError when λ is negative or not finite.
 */
export function proximalSpectrum(s: Float64Array, penalty: SpectralPenalty, lambda: number): Float64Array {
  if (!(lambda >= 0 && lambda < Number.POSITIVE_INFINITY)) {
    throw new OperatorError("penalty's weight λ", lambda, "a finite number ≥ 0");
  }
  if (penalty === "frobenius") return s.map((value) => value / (1 + lambda));
  const level = penalty === "spectral" ? levelOfNorm(s, lambda) : levelOfSquare(s, lambda);
  return s.map((value) => Math.min(value, level));
}

/**
 * The proximal map of λφ: the matrix X that minimises ½‖X − W‖_F² + λφ(X). It keeps W's singular vectors.
 * @param a W, row-major, rows × cols; not changed.
 * @throws OperatorError when λ is negative, or the shape not the data's; for the spectral penalties also when an entry is
 *   not finite.
 */
export function proximalMap(
  a: Float64Array,
  rows: number,
  cols: number,
  penalty: SpectralPenalty,
  lambda: number,
): Float64Array {
  checkLength("matrix", a.length, rows * cols);
  // Decay acts on every entry alike: no decomposition needed.
  if (penalty === "frobenius") return proximalSpectrum(a, penalty, lambda);
  return withSpectrum(a, rows, cols, (s) => proximalSpectrum(s, penalty, lambda));
}

/** t = Σ_{i≤k} sᵢ/(k + λ) for the k with s_{k+1} ≤ t < s_k. */
function levelOfSquare(s: Float64Array, lambda: number): number {
  let sum = 0;
  for (let k = 1; k <= s.length; k++) {
    sum += s[k - 1]!;
    const level = sum / (k + lambda);
    if (k === s.length || level >= s[k]!) return level;
  }
  return 0;
}

/** t = (Σ_{i≤k} sᵢ − λ)/k for the k with s_{k+1} ≤ t < s_k; 0 when λ takes everything. */
function levelOfNorm(s: Float64Array, lambda: number): number {
  let sum = 0;
  for (let k = 1; k <= s.length; k++) {
    sum += s[k - 1]!;
    const level = (sum - lambda) / k;
    if (k === s.length || level >= s[k]!) return Math.max(level, 0);
  }
  return 0;
}
