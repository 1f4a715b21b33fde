import { expectLength, expectSize } from "./checks.ts";
import { matrix } from "./matrix.wasm.ts";
import type { FailedPivot, RowBlock } from "./types.ts";
import { KernelMemory, padded } from "./wasm-module.ts";
import { WasmRowBlock } from "./wasm-rows.ts";

/** What assembly/matrix.ts exports; a matrix is a lower triangle of 4 × 4 tiles, 128 bytes each. */
interface MatrixExports {
  addGram(
    tiles: number,
    packed: number,
    groupBytes: number,
    bytes: number,
    from: number,
    groups: number,
    sign: number,
  ): void;
  loadRows(tiles: number, group: number, rows: number, line: number): void;
  storeRows(tiles: number, group: number, rows: number, line: number): void;
  shiftTiles(from: number, to: number, n: number, shift: number): void;
  cholesky(tiles: number, groups: number, packed: number): number;
}

/** The kernels' own tile of sums lies below. */
const TILES = 256;

/** Columns multiplied at a time: a packed group of 8 KiB. */
const DEPTH = 256;

/** Work spaces up to this size are kept, since small matrices come in thousands. */
const KEPT_BYTES = 2 ** 20;

let kept: KernelMemory<MatrixExports> | undefined;

/** Runs `work` in a memory of at least `bytes`, of unspecified contents. */
function inWorkspace<T>(bytes: number, what: string, work: (memory: KernelMemory<MatrixExports>) => T): T {
  if (bytes <= KEPT_BYTES) {
    kept ??= new KernelMemory<MatrixExports>(matrix, KEPT_BYTES, what);
    return work(kept);
  }
  const memory = new KernelMemory<MatrixExports>(matrix, bytes, what);
  try {
    return work(memory);
  } finally {
    memory.release();
  }
}

function tileBytes(groups: number): number {
  return groups * (groups + 1) * 64;
}

/** G = (c·A)(c·A)ᵀ, lower triangle: sums over panels of columns, widened to float64 and packed. */
export function gramMatrix(block: RowBlock, scale: number): Float64Array {
  if (!(block instanceof WasmRowBlock)) throw new TypeError("the block belongs to other kernels");
  const n = block.rows;
  const groups = Math.ceil(n / 4);
  const width = padded(block.cols);
  const packed = TILES + tileBytes(groups);
  return inWorkspace(packed + groups * 32 * DEPTH, `the Gram matrix of ${n} rows`, (memory) => {
    memory.doubles(TILES, tileBytes(groups) / 8).fill(0);
    for (let first = 0; first < width; first += DEPTH) {
      const depth = Math.min(DEPTH, width - first);
      memory.doubles(packed, 4 * groups * depth).set(block.packedColumns(first, depth, scale));
      memory.exports.addGram(TILES, packed, 32 * depth, 32 * depth, 0, groups, 1);
    }
    return copyTriangle(memory, n, packed);
  });
}

/** The tiles as the lower triangle of a row-major matrix; `strip` has room for four rows. */
function copyTriangle(memory: KernelMemory<MatrixExports>, n: number, strip: number): Float64Array {
  const g = new Float64Array(n * n);
  const wide = padded(n);
  const rows = memory.doubles(strip, 4 * wide);
  for (let i = 0; i < n; i++) {
    if (i % 4 === 0) memory.exports.storeRows(TILES, i / 4, strip, 8 * wide);
    const start = (i % 4) * wide;
    g.set(rows.subarray(start, start + i + 1), i * n);
  }
  return g;
}

/** Cholesky of shift·I − G; see `Kernels`. */
export function shiftedCholesky(g: Float64Array, n: number, shift: number): FailedPivot {
  expectSize("n", n, 0);
  expectLength("g", g, n * n);
  const groups = Math.ceil(n / 4);
  const packed = TILES + tileBytes(groups);
  // A packed group of 256 columns takes 8 KiB, so that there is room for four rows, too.
  return inWorkspace(packed + groups * 32 * DEPTH, `a Cholesky factorisation of ${n} rows`, (memory) => {
    loadTriangle(memory, g, n, packed);
    memory.exports.shiftTiles(TILES, TILES, n, shift);
    const failed = memory.exports.cholesky(TILES, groups, packed);
    return failed < 0 ? null : failed;
  });
}

/** The lower triangle of a row-major matrix as tiles; `strip` has room for four rows. */
function loadTriangle(memory: KernelMemory<MatrixExports>, g: Float64Array, n: number, strip: number): void {
  const wide = padded(n);
  const rows = memory.doubles(strip, 4 * wide);
  for (let first = 0; first < n; first += 4) {
    rows.fill(0);
    for (let i = first; i < Math.min(n, first + 4); i++) {
      rows.set(g.subarray(i * n, i * n + i + 1), (i % 4) * wide);
    }
    memory.exports.loadRows(TILES, first / 4, strip, 8 * wide);
  }
}
