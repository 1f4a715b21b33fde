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
  const rotated = transposedR(qr, m, n);
  orthogonalizeColumns(rotated, n, qr.rank, rotations);
  const norms = columnNorms(rotated, n, qr.rank);
  const order = decreasing(norms);
  const known = norms.reduce((count, norm) => count + (norm > NEGLIGIBLE_NORM ? 1 : 0), 0);
  const s = new Float64Array(n);
  const left = new Float64Array(n * m);
  const right = new Float64Array(n * n);
  for (let j = 0; j < n; j++) {
    if (j >= qr.rank) left[j * m + j] = 1;
    else left.set(rotations.subarray(order[j]! * qr.rank, (order[j]! + 1) * qr.rank), j * m);
    applyQ(qr, m, left, j * m);
    if (j >= known) continue;
    const from = order[j]!;
    s[j] = norms[from]!;
    for (let i = 0; i < n; i++) right[j * n + qr.pivots[i]!] = rotated[from * n + i]! / s[j]!;
  }
  completeColumns(right, n, known);
  for (let j = 0; j < n; j++) s[j]! /= scale;
  const tall = byRows(left, m, n);
  const square = byRows(right, n, n);
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
  const s = new Float64Array(n);
  s.set(columnNorms(rotated, n, qr.rank).sort().reverse());
  for (let j = 0; j < n; j++) s[j]! /= scale;
  return s;
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

/** Rᵀ by columns: column j is row j of R. */
function transposedR(qr: PivotedQr, m: number, n: number): Float64Array {
  const columns = new Float64Array(qr.rank * n);
  for (let j = 0; j < qr.rank; j++) {
    for (let i = j; i < n; i++) columns[j * n + i] = qr.factors[i * m + j]!;
  }
  return columns;
}

function columnNorms(columns: Float64Array, length: number, count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, j) => {
    let sum = 0;
    for (let i = j * length; i < (j + 1) * length; i++) sum += columns[i]! * columns[i]!;
    return Math.sqrt(sum);
  });
}

/** Indices by decreasing value. */
function decreasing(values: Float64Array): number[] {
  return Array.from(values.keys()).sort((i, j) => values[j]! - values[i]!);
}

/** Makes columns known … n−1 orthonormal to the first `known` and each other (n × n by columns). */
function completeColumns(columns: Float64Array, n: number, known: number): void {
  for (let j = known; j < n; j++) {
    const at = j * n;
    columns.fill(0, at, at + n);
    columns[at + leastCovered(columns, n, j)] = 1;
    for (let pass = 0; pass < 2; pass++) {
      for (let k = 0; k < j; k++) {
        let dot = 0;
        for (let i = 0; i < n; i++) dot += columns[k * n + i]! * columns[at + i]!;
        for (let i = 0; i < n; i++) columns[at + i]! -= dot * columns[k * n + i]!;
      }
      let square = 0;
      for (let i = 0; i < n; i++) square += columns[at + i]! * columns[at + i]!;
      const norm = Math.sqrt(square);
      for (let i = 0; i < n; i++) columns[at + i]! /= norm;
    }
  }
}

/** The coordinate of which the first `known` orthonormal columns hold the least. */
function leastCovered(columns: Float64Array, n: number, known: number): number {
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < n; i++) {
    let share = 0;
    for (let j = 0; j < known; j++) share += columns[j * n + i]! * columns[j * n + i]!;
    if (share < least) [best, least] = [i, share];
  }
  return best;
}

function identity(n: number): Float64Array {
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; i++) matrix[i * n + i] = 1;
  return matrix;
}

/** columns of length m, n of them → m × n row-major. */
function byRows(columns: Float64Array, m: number, n: number): Float64Array {
  const matrix = new Float64Array(m * n);
  for (let j = 0; j < n; j++) for (let i = 0; i < m; i++) matrix[i * n + j] = columns[j * m + i]!;
  return matrix;
}
