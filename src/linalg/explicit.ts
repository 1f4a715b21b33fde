import type { ConvolutionOperator } from "./convolution.ts";
import { OperatorError } from "./errors.ts";
import type { LinearOperator } from "./operator.ts";
import { Taps } from "./taps.ts";

/** Most entries of an explicit matrix, 2²⁸ (2 GiB); beyond it use the operator itself. */
const MAX_ENTRIES = 2 ** 28;

/** Most entries of a sparse matrix, 2²⁷ (1.5 GiB with their columns). */
const MAX_SPARSE_ENTRIES = 2 ** 27;

/**
 * The operator's matrix, rows × cols row-major, from its action on the unit vectors of the shorter side.
 * @throws OperatorError when it would hold more than 2²⁸ entries.
 */
export function explicitMatrix(operator: LinearOperator): Float64Array {
  const { rows, cols } = operator;
  if (rows * cols > MAX_ENTRIES) {
    throw new OperatorError("explicit matrix", `${rows}×${cols}`, `at most ${MAX_ENTRIES} entries`);
  }
  const matrix = new Float64Array(rows * cols);
  if (rows < cols) {
    for (let i = 0; i < rows; i++) matrix.set(operator.adjoint(unit(rows, i)), i * cols);
    return matrix;
  }
  for (let j = 0; j < cols; j++) {
    const column = operator.apply(unit(cols, j));
    for (let i = 0; i < rows; i++) matrix[i * cols + j] = column[i]!;
  }
  return matrix;
}

/** A matrix in compressed rows: row r has entries starts[r] … starts[r + 1], each column at most once. */
export interface SparseRows {
  readonly starts: Int32Array;
  readonly columns: Int32Array;
  readonly values: Float64Array;
  /** False where taps that see the same pixel had to be added up and a sum was rounded. */
  readonly exact: boolean;
}

/**
 * The convolution's matrix, row by row, with the taps that see one pixel (past a circular, reflecting or replicating
 * edge) added up. Entries may be zero where the kernel is.
 * @throws OperatorError when it would hold more than 2²⁷ entries.
 */
export function sparseRows(operator: ConvolutionOperator): SparseRows {
  const { kernelShape, geometry, kernel } = operator;
  const taps = new Taps(operator.inputSize, kernelShape.slice(2), operator.outputSize, geometry);
  const seen = seenPixels(taps);
  const perGroup = kernelShape[1]!;
  const groupRows = kernelShape[0]! / geometry.groups;
  const total = seen.starts[taps.positions]! * perGroup * operator.channelsOut;
  if (total > MAX_SPARSE_ENTRIES) {
    throw new OperatorError("explicit convolution", `${total} entries`, `at most ${MAX_SPARSE_ENTRIES}`);
  }
  const starts = new Int32Array(operator.rows + 1);
  const columns = new Int32Array(total);
  const values = new Float64Array(total);
  let exact = true;
  let end = 0;
  for (let row = 0; row < operator.rows; row++) {
    const channel = operator.firstChannelOut + Math.floor(row / taps.positions);
    const position = row % taps.positions;
    const pixels = seen.pixels.subarray(seen.starts[position], seen.starts[position + 1]);
    const slots = seen.slots.subarray(position * taps.count, (position + 1) * taps.count);
    for (let c = 0; c < perGroup; c++) {
      const first = (Math.floor(channel / groupRows) * perGroup + c) * taps.pixels;
      for (let e = 0; e < pixels.length; e++) columns[end + e] = first + pixels[e]!;
      const weights = (channel * perGroup + c) * taps.count;
      const summed = addInto(values, end, slots, kernel, weights);
      exact &&= summed;
      end += pixels.length;
    }
    starts[row + 1] = end;
  }
  return { starts, columns, values, exact };
}

/** values[end + slots[q]] += kernel[weights + q] for every tap; whether all sums were exact. */
function addInto(
  values: Float64Array,
  end: number,
  slots: Int32Array,
  kernel: Float64Array,
  weights: number,
): boolean {
  let exact = true;
  for (let q = 0; q < slots.length; q++) {
    if (slots[q]! < 0) continue;
    const at = end + slots[q]!;
    const before = values[at]!;
    const weight = kernel[weights + q]!;
    values[at] = before + weight;
    if (exact && !sumIsExact(before, weight)) exact = false;
  }
  return exact;
}

/** Distinct pixels seen from each position, and for each tap which of them it is (−1: a zero outside). */
interface SeenPixels {
  readonly starts: Int32Array;
  readonly pixels: Int32Array;
  readonly slots: Int32Array;
}

function seenPixels(taps: Taps): SeenPixels {
  if (taps.positions * taps.count > MAX_SPARSE_ENTRIES) {
    const got = `${taps.positions} positions × ${taps.count} taps`;
    throw new OperatorError("explicit convolution", got, `at most ${MAX_SPARSE_ENTRIES} entries`);
  }
  const starts = new Int32Array(taps.positions + 1);
  const pixels = new Int32Array(taps.positions * taps.count);
  const slots = new Int32Array(taps.positions * taps.count);
  const table = new Int32Array(taps.count);
  const slotOf = new Map<number, number>();
  let end = 0;
  for (let position = 0; position < taps.positions; position++) {
    taps.fill(position, 1, table);
    slotOf.clear();
    for (let q = 0; q < taps.count; q++) {
      const pixel = table[q]!;
      let slot = pixel === taps.pixels ? -1 : slotOf.get(pixel);
      if (slot === undefined) {
        slot = slotOf.size;
        slotOf.set(pixel, slot);
        pixels[end + slot] = pixel;
      }
      slots[position * taps.count + q] = slot;
    }
    end += slotOf.size;
    starts[position + 1] = end;
  }
  return { starts, pixels, slots };
}

/** Whether fl(a + b) = a + b: Knuth's error-free transformation leaves nothing. */
function sumIsExact(a: number, b: number): boolean {
  const sum = a + b;
  const bPart = sum - a;
  return a - (sum - bPart) === 0 && b - bPart === 0;
}

function unit(length: number, index: number): Float64Array {
  const x = new Float64Array(length);
  x[index] = 1;
  return x;
}
