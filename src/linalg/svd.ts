import { checkInteger, checkLength, OperatorError } from "./errors.ts";
import { orthogonalizeColumns } from "./jacobi.ts";
import { applyQ, NEGLIGIBLE_NORM, type PivotedQr, pivotedQr } from "./qr.ts";
import { scaleToUnit } from "./rounding.ts";

/** A = U · diag(s) · Vᵀ, thin: k = min(rows, cols). Computed values, not bounds. */
export interface SingularValueDecomposition {
  /** rows × k, row-major, orthonormal columns (also where singular values are zero). */
  readonly u: Float64Array;
  /** k singular values, decreasing. */
  readonly s: Float64Array;
  /** cols × k, row-major, orthonormal columns. */
  readonly v: Float64Array;
}

/**
 * Singular value decomposition by pivoted QR and one-sided Jacobi on Rᵀ (Drmač & Veselić 2008): errors near 1e-15
 * of σ₁, for any scale, rank or shape.
 * @param a row-major, rows × cols.
 * @throws OperatorError when the shape is not the data's, or an entry is not finite.
 */
export function singularValueDecomposition(
  a: Float64Array,
  rows: number,
  cols: number,
): SingularValueDecomposition {
  const { columns, m, n, scale } = tallColumns(a, rows, cols);
  const qr = pivotedQr(columns, m, n);
  const rotations = identity(qr.rank);
  const right = transposedR(qr, m, n);
  orthogonalizeColumns(right, n, qr.rank, rotations);
  const norms = columnNorms(right, n);
  const order = Array.from(norms.keys()).sort((i, j) => norms[j]! - norms[i]!);
  normalizeColumns(right, n, norms, order);
  const tall = leftVectors(qr, m, n, rotations, order);
  const square = new Float64Array(n * n);
  order.forEach((from, j) => {
    for (let i = 0; i < n; i++) square[qr.pivots[i]! * n + j] = right[from * n + i]!;
  });
  const s = Float64Array.from(order, (from) => norms[from]! / scale);
  return rows >= cols ? { u: tall, s, v: square } : { u: square, s, v: tall };
}

/**
 * All singular values of a small matrix, decreasing; computed values, not bounds.
 * @param a row-major, rows × cols.
 * @throws OperatorError when the shape is not the data's, or an entry is not finite.
 */
export function singularValuesSmall(a: Float64Array, rows: number, cols: number): Float64Array {
  const { columns, m, n, scale } = tallColumns(a, rows, cols);
  const qr = pivotedQr(columns, m, n);
  const rotated = transposedR(qr, m, n);
  orthogonalizeColumns(rotated, n, qr.rank);
  return columnNorms(rotated, n)
    .sort()
    .reverse()
    .map((norm) => norm / scale);
}

/** A or Aᵀ, whichever is tall (m ≥ n), by columns and scaled by a power of two to a largest entry in [1, 2). */
function tallColumns(
  a: Float64Array,
  rows: number,
  cols: number,
): { columns: Float64Array; m: number; n: number; scale: number } {
  checkInteger("rows", rows, 1);
  checkInteger("columns", cols, 1);
  checkLength("matrix", a.length, rows * cols);
  const scale = scaleOf(a);
  const columns = new Float64Array(a.length);
  if (rows < cols) {
    for (let i = 0; i < a.length; i++) columns[i] = a[i]! * scale;
    return { columns, m: cols, n: rows, scale };
  }
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) columns[j * rows + i] = a[i * cols + j]! * scale;
  }
  return { columns, m: rows, n: cols, scale };
}

function scaleOf(a: Float64Array): number {
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const magnitude = Math.abs(a[i]!);
    if (!(magnitude < Number.POSITIVE_INFINITY)) {
      throw new OperatorError(`matrix entry ${i}`, a[i], "a finite number");
    }
    if (magnitude > largest) largest = magnitude;
  }
  return largest === 0 ? 1 : scaleToUnit(largest);
}

/** Rᵀ, n × n by columns: column j is row j of R, zero from the rank on. */
function transposedR(qr: PivotedQr, m: number, n: number): Float64Array {
  const columns = new Float64Array(n * n);
  for (let j = 0; j < qr.rank; j++) {
    for (let i = j; i < n; i++) columns[j * n + i] = qr.factors[i * m + j]!;
  }
  return columns;
}

/** Norms of n columns of length n; negligible ones are zero. */
function columnNorms(columns: Float64Array, n: number): Float64Array {
  return Float64Array.from({ length: n }, (_, j) => {
    let sum = 0;
    for (let i = j * n; i < (j + 1) * n; i++) sum += columns[i]! * columns[i]!;
    const norm = Math.sqrt(sum);
    return norm > NEGLIGIBLE_NORM ? norm : 0;
  });
}

/** Q · [J; 0], the left singular vectors in the given order, m × n row-major. */
function leftVectors(
  qr: PivotedQr,
  m: number,
  n: number,
  rotations: Float64Array,
  order: readonly number[],
): Float64Array {
  const left = new Float64Array(m * n);
  const x = new Float64Array(m);
  order.forEach((from, j) => {
    x.fill(0);
    if (from < qr.rank) x.set(rotations.subarray(from * qr.rank, (from + 1) * qr.rank));
    else x[from] = 1;
    applyQ(qr, m, x, 0);
    for (let i = 0; i < m; i++) left[i * n + j] = x[i]!;
  });
  return left;
}

/** Makes orthogonal columns (n × n) orthonormal; those of norm zero, last in the order, become what completes them. */
function normalizeColumns(
  columns: Float64Array,
  n: number,
  norms: Float64Array,
  order: readonly number[],
): void {
  order.forEach((column, place) => {
    const norm = norms[column]!;
    if (norm === 0) completeColumn(columns, n, column, order.slice(0, place));
    else for (let i = column * n; i < (column + 1) * n; i++) columns[i]! /= norm;
  });
}

/** Puts into `column` a unit vector orthogonal to the orthonormal `known` ones. */
function completeColumn(columns: Float64Array, n: number, column: number, known: readonly number[]): void {
  const x = new Float64Array(n);
  x[leastCovered(columns, n, known)] = 1;
  for (let pass = 0; pass < 2; pass++) {
    for (const k of known) {
      let dot = 0;
      for (let i = 0; i < n; i++) dot += columns[k * n + i]! * x[i]!;
      for (let i = 0; i < n; i++) x[i]! -= dot * columns[k * n + i]!;
    }
    let square = 0;
    for (let i = 0; i < n; i++) square += x[i]! * x[i]!;
    for (let i = 0; i < n; i++) x[i]! /= Math.sqrt(square);
  }
  columns.set(x, column * n);
}

/** The coordinate of which the known orthonormal columns hold the least. */
function leastCovered(columns: Float64Array, n: number, known: readonly number[]): number {
  const shares = new Float64Array(n);
  for (const k of known) for (let i = 0; i < n; i++) shares[i]! += columns[k * n + i]! ** 2;
  return shares.indexOf(shares.reduce((least, share) => Math.min(least, share)));
}

function identity(n: number): Float64Array {
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; i++) matrix[i * n + i] = 1;
  return matrix;
}
