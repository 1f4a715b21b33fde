import { kernels } from "../kernels/index.ts";
import type { RowBlock } from "../kernels/types.ts";
import { transpose } from "./matrix.ts";

/** Products of fewer multiplications are done in plain JS: to set a kernel up costs more than it saves. */
const KERNEL_WORK = 2 ** 18;

function loaded(a: Float64Array, rows: number, cols: number): RowBlock {
  const block = kernels().rowBlock("float64", rows, cols);
  block.load(new Uint8Array(a.buffer, a.byteOffset, a.byteLength), 0);
  return block;
}

/** A·B, row-major, rows × inner times inner × cols. Plain sums of `inner` products, in any order. */
export function product(
  a: Float64Array,
  b: Float64Array,
  rows: number,
  inner: number,
  cols: number,
): Float64Array {
  const y = new Float64Array(rows * cols);
  if (rows * inner * cols < KERNEL_WORK) {
    for (let i = 0; i < rows; i++) addRows(y, i * cols, cols, a, i * inner, 1, inner, b, 0, cols);
    return y;
  }
  const block = loaded(a, rows, inner);
  block.applyBlock(b, cols, y);
  block.release();
  return y;
}

/** A·Aᵀ of a row-major rows × cols matrix, lower triangle only. Plain sums of `cols` products, in any order. */
export function gram(a: Float64Array, rows: number, cols: number): Float64Array {
  if (rows * rows * cols < 2 * KERNEL_WORK) {
    const flipped = transpose(a, rows, cols);
    const y = new Float64Array(rows * rows);
    for (let i = 0; i < rows; i++) addRows(y, i * rows, i + 1, a, i * cols, 1, cols, flipped, 0, rows);
    return y;
  }
  const block = loaded(a, rows, cols);
  const g = kernels().gramMatrix(block, 1);
  block.release();
  return g;
}

/**
 * to[at + j] += Σ_l factors[first + l·step] · rows[from + l·width + j] for j < length and l < count; four rows at a
 * time, so that sums are loaded and stored a quarter as often.
 */
export function addRows(
  to: Float64Array,
  at: number,
  length: number,
  factors: Float64Array,
  first: number,
  step: number,
  count: number,
  rows: Float64Array,
  from: number,
  width: number,
): void {
  let l = 0;
  for (; l + 4 <= count; l += 4) {
    const f = first + l * step;
    const fa = factors[f]!;
    const fb = factors[f + step]!;
    const fc = factors[f + 2 * step]!;
    const fd = factors[f + 3 * step]!;
    const a = from + l * width;
    const b = a + width;
    const c = b + width;
    const d = c + width;
    for (let j = 0; j < length; j++) {
      to[at + j]! += fa * rows[a + j]! + fb * rows[b + j]! + (fc * rows[c + j]! + fd * rows[d + j]!);
    }
  }
  for (; l < count; l++) {
    const factor = factors[first + l * step]!;
    const a = from + l * width;
    for (let j = 0; j < length; j++) to[at + j]! += factor * rows[a + j]!;
  }
}
