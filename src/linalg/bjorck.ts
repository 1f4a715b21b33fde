import { checkInteger, checkLength, OperatorError } from "./errors.ts";
import { gramOfRows, multiply, transpose } from "./matrix.ts";
import { down, mulUp, scaleToUnit, sqrtUp, up } from "./rounding.ts";

/** Small singular values grow by half in a first-order step: enough for a condition number of 10⁹. */
const DEFAULT_ITERATIONS = 60;

export interface OrthonormalizeOptions {
  /** Terms of the series for (WWᵀ)^−½ in each step; higher converges in fewer, dearer steps. Default 1. */
  readonly order?: number;
  /** Most steps. Default 60. */
  readonly iterations?: number;
  /** Stop when the defect is this small. Default 1e-13 · √min(rows, cols). */
  readonly tolerance?: number;
}

export interface Orthonormalized {
  /** Row-major, the shape given: orthonormal rows when wide, orthonormal columns when tall. */
  readonly matrix: Float64Array;
  /** ‖WWᵀ − I‖_F (wide) or ‖WᵀW − I‖_F (tall) as computed; ≥ 1 for a rank-deficient matrix, which has no such limit. */
  readonly defect: number;
  readonly iterations: number;
}

/**
 * The orthonormal matrix nearest to W (its polar factor) by Björck & Bowie's iteration (1971), as used for Lipschitz
 * layers by Anil, Lucas & Grosse (2019): W ← (I + ½Q + ⅜Q² + …) W with Q = I − WWᵀ. W is first divided by an upper
 * bound of σ₁, which makes every order converge and does not change the limit.
 * @param a W, row-major, rows × cols; not changed.
 * @throws OperatorError when the shape is not the data's, an entry is not finite, or an option makes no sense.
 */
export function orthonormalize(
  a: Float64Array,
  rows: number,
  cols: number,
  options: OrthonormalizeOptions = {},
): Orthonormalized {
  const { order = 1, iterations = DEFAULT_ITERATIONS } = options;
  const tolerance = options.tolerance ?? 1e-13 * Math.sqrt(Math.min(rows, cols));
  checkInteger("rows", rows, 1);
  checkInteger("columns", cols, 1);
  checkLength("matrix", a.length, rows * cols);
  checkInteger("order", order, 1);
  checkInteger("iterations", iterations, 0);
  if (rows > cols) {
    const wide = orthonormalize(transpose(a, rows, cols), cols, rows, options);
    return { ...wide, matrix: transpose(wide.matrix, cols, rows) };
  }
  let w = shrunk(a, rows, cols);
  let gap = identityMinusGram(w, rows, cols);
  let step = 0;
  while (step < iterations && frobenius(gap) > tolerance) {
    w = multiply(seriesOf(gap, rows, order), w, rows, rows, cols);
    gap = identityMinusGram(w, rows, cols);
    step++;
  }
  return { matrix: w, defect: frobenius(gap), iterations: step };
}

/** W over an upper bound of its spectral norm: the smaller of ‖WWᵀ‖_F^½ and √(‖W‖₁‖W‖∞). */
function shrunk(a: Float64Array, rows: number, cols: number): Float64Array {
  let largest = 0;
  for (const value of a) {
    if (!Number.isFinite(value)) throw new OperatorError("matrix entry", value, "a finite number");
    largest = Math.max(largest, Math.abs(value));
  }
  if (largest === 0) return a.slice();
  const scale = scaleToUnit(largest);
  const scaled = a.map((value) => value * scale);
  const bound = Math.min(sumsBound(scaled, rows, cols), gramBound(scaled, rows, cols));
  return scaled.map((value) => value / bound);
}

function sumsBound(a: Float64Array, rows: number, cols: number): number {
  const rowSums = new Float64Array(rows);
  const columnSums = new Float64Array(cols);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) {
      const magnitude = Math.abs(a[i * cols + j]!);
      rowSums[i] = up(rowSums[i]! + magnitude);
      columnSums[j] = up(columnSums[j]! + magnitude);
    }
  }
  return sqrtUp(mulUp(rowSums.reduce(larger), columnSums.reduce(larger)));
}

/** (Σσᵢ⁴)^¼, with far more room than rounding in the Gram matrix takes. */
function gramBound(a: Float64Array, rows: number, cols: number): number {
  return sqrtUp(frobenius(gramOfRows(a, rows, cols))) / down(1 - 1e-10);
}

function larger(a: number, b: number): number {
  return Math.max(a, b);
}

/** I − WWᵀ. */
function identityMinusGram(w: Float64Array, rows: number, cols: number): Float64Array {
  const gap = gramOfRows(w, rows, cols);
  for (let i = 0; i < gap.length; i++) gap[i] = (i % (rows + 1) === 0 ? 1 : 0) - gap[i]!;
  return gap;
}

/** I + ½Q + ⅜Q² + … up to Q^order, by Horner's rule; the coefficients of (1 − q)^−½. */
function seriesOf(gap: Float64Array, n: number, order: number): Float64Array {
  let sum = identity(n);
  for (let k = order; k >= 1; k--) {
    const ratio = (2 * k - 1) / (2 * k);
    sum = multiply(gap, sum, n, n, n);
    for (let i = 0; i < sum.length; i++) sum[i] = ratio * sum[i]! + (i % (n + 1) === 0 ? 1 : 0);
  }
  return sum;
}

function identity(n: number): Float64Array {
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; i++) matrix[i * (n + 1)] = 1;
  return matrix;
}

function frobenius(a: Float64Array): number {
  let sum = 0;
  for (const value of a) sum += value * value;
  return Math.sqrt(sum);
}
