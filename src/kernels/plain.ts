import { expectLength, expectSize } from "./checks.ts";
import { PlainRowBlock } from "./plain-rows.ts";
import { PlainSymbol } from "./plain-symbol.ts";
import type { FailedPivot, Kernels, RowBlock } from "./types.ts";

/** G = (c·A)(c·A)ᵀ, lower triangle, by dot products of rows. */
function gramMatrix(block: RowBlock, scale: number): Float64Array {
  if (!(block instanceof PlainRowBlock)) throw new TypeError("the block belongs to other kernels");
  const { rows, cols } = block;
  const a = Float64Array.from(block.entries, (value) => value * scale);
  const g = new Float64Array(rows * rows);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = 0; k < cols; k++) sum += a[i * cols + k]! * a[j * cols + k]!;
      g[i * rows + j] = sum;
    }
  }
  return g;
}

/** Row-by-row Cholesky of shift·I − G. */
function shiftedCholesky(g: Float64Array, n: number, shift: number): FailedPivot {
  expectSize("n", n, 0);
  expectLength("g", g, n * n);
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = i === j ? shift - g[i * n + i]! : -g[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= l[i * n + k]! * l[j * n + k]!;
      if (i > j) l[i * n + j] = sum / l[j * n + j]!;
      else if (!(sum > 0)) return i;
      else l[i * n + i] = Math.sqrt(sum);
    }
  }
  return null;
}

/** The kernels in plain JS: the fallback, and what the WebAssembly ones are tested against. */
export const plainKernels: Kernels = {
  name: "plain",
  rowBlock: (type, rows, cols) => new PlainRowBlock(type, rows, cols),
  gramMatrix,
  shiftedCholesky,
  symbol: (kernel, rows, cols, taps) => new PlainSymbol(kernel, rows, cols, taps),
};
