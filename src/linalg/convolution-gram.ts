import { kernels } from "../kernels/index.ts";
import type { ConvolutionOperator } from "./convolution.ts";
import { type SparseRows, sparseRows } from "./explicit.ts";
import { addUp, gamma, mulUp, sqrtUp, sumOfSquaresUp } from "./rounding.ts";
import { product } from "./taps.ts";
import type { GramMatrix } from "./verified-cholesky.ts";

/** Longest short side for which the whole Gram matrix is formed (32 MiB of float64). */
export const EXPLICIT_SIDE = 2048;

/** Most stored entries of the explicit matrix (400 MB with its transpose). */
const EXPLICIT_ENTRIES = 2 ** 24;

/** A dense product does about this many multiply–adds in the time a sparse one does one. */
const DENSE_SPEEDUP = 8;

/** Most numbers in the dense form, 256 MiB. */
const DENSE_NUMBERS = 2 ** 25;

/** The Gram matrix of a convolution, and how far the matrix it was formed from may be from the true one. */
export interface ConvolutionGram {
  readonly gram: GramMatrix;
  /** Upper bound of ‖A − Â‖_F: 0 unless taps that see one pixel were added up with rounding. */
  readonly perturbation: number;
}

/** Whether the convolution is small enough for its explicit Gram matrix. */
export function hasExplicitGram(operator: ConvolutionOperator): boolean {
  const taps = product(operator.kernelShape.slice(2));
  const entries = operator.rows * operator.kernelShape[1]! * taps;
  return Math.min(operator.rows, operator.cols) <= EXPLICIT_SIDE && entries <= EXPLICIT_ENTRIES;
}

/** The Gram matrix over the shorter side of the true operator, boundaries, strides and groups included. */
export function convolutionGram(operator: ConvolutionOperator): ConvolutionGram {
  const rows = sparseRows(operator);
  const byRow = operator.rows <= operator.cols;
  const n = Math.min(operator.rows, operator.cols);
  const long = Math.max(operator.rows, operator.cols);
  // Lists of (short index, value) per long index: the columns of a wide matrix, the rows of a tall one.
  const lists = byRow ? transposeSparse(rows, operator.cols) : rows;
  const sum = rows.values.reduce((total, value) => total + value * value, 0);
  // The kernel is scaled, but an operator that sees only its smallest taps has entries whose squares vanish.
  const lost = rows.values.length * 2 ** -1000;
  const frobeniusSquared = addUp(sumOfSquaresUp(sum, rows.values.length), lost);
  const entries = preferDense(lists, n, long) ? denseGram(lists, n, long) : sparseGram(lists, n);
  const perturbation = rows.exact ? 0 : duplicateError(operator);
  return { gram: { entries, n, terms: long, frobeniusSquared }, perturbation };
}

/** d duplicates of one pixel add up to within γ_d·√d·‖their values‖ of the truth. */
function duplicateError(operator: ConvolutionOperator): number {
  const taps = product(operator.kernelShape.slice(2));
  const positions = product(operator.outputSize);
  const sum = operator.kernel.reduce((total, w) => total + w * w, 0);
  const kernelNorm = sqrtUp(sumOfSquaresUp(sum, operator.kernel.length));
  return mulUp(mulUp(gamma(taps), sqrtUp(taps)), mulUp(sqrtUp(positions), kernelNorm));
}

function transposeSparse(rows: SparseRows, cols: number): SparseRows {
  const starts = new Int32Array(cols + 1);
  for (const column of rows.columns) starts[column + 1]! += 1;
  for (let c = 0; c < cols; c++) starts[c + 1]! += starts[c]!;
  const next = starts.slice();
  const columns = new Int32Array(rows.columns.length);
  const values = new Float64Array(rows.values.length);
  for (let r = 0; r + 1 < rows.starts.length; r++) {
    for (let at = rows.starts[r]!; at < rows.starts[r + 1]!; at++) {
      const to = next[rows.columns[at]!]!++;
      columns[to] = r;
      values[to] = rows.values[at]!;
    }
  }
  return { starts, columns, values, exact: rows.exact };
}

function preferDense(lists: SparseRows, n: number, long: number): boolean {
  if (n * long > DENSE_NUMBERS) return false;
  let sparseWork = 0;
  for (let c = 0; c < long; c++) sparseWork += (lists.starts[c + 1]! - lists.starts[c]!) ** 2;
  return n * n * long < DENSE_SPEEDUP * sparseWork;
}

function sparseGram({ starts, columns, values }: SparseRows, n: number): Float64Array {
  const gram = new Float64Array(n * n);
  for (let c = 0; c + 1 < starts.length; c++) {
    for (let i = starts[c]!; i < starts[c + 1]!; i++) {
      const row = columns[i]! * n;
      const value = values[i]!;
      for (let j = starts[c]!; j < starts[c + 1]!; j++) {
        if (columns[j]! <= columns[i]!) gram[row + columns[j]!]! += value * values[j]!;
      }
    }
  }
  return gram;
}

function denseGram({ starts, columns, values }: SparseRows, n: number, long: number): Float64Array {
  const matrix = new Float64Array(n * long);
  for (let c = 0; c < long; c++) {
    for (let at = starts[c]!; at < starts[c + 1]!; at++) matrix[columns[at]! * long + c] = values[at]!;
  }
  const block = kernels().rowBlock("float64", n, long);
  block.load(new Uint8Array(matrix.buffer), 0);
  const gram = kernels().gramMatrix(block, 1);
  block.release();
  return gram;
}
