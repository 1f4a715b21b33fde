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

/** Work spaces up to this size are kept for the next call; larger ones are left to the garbage collector. */
const KEPT_BYTES = 2 ** 24;

let kept: KernelMemory<MatrixExports> | undefined;

function workspace(bytes: number, what: string): KernelMemory<MatrixExports> {
  if (bytes > KEPT_BYTES) return new KernelMemory<MatrixExports>(matrix, bytes, what);
  kept ??= new KernelMemory<MatrixExports>(matrix, bytes, what);
  kept.reserve(bytes, what);
  return kept;
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
  const memory = workspace(packed + groups * 32 * DEPTH, `the Gram matrix of ${n} rows`);
  memory.doubles(TILES, tileBytes(groups) / 8).fill(0);
  for (let first = 0; first < width; first += DEPTH) {
    const depth = Math.min(DEPTH, width - first);
    memory.doubles(packed, 4 * groups * depth).set(block.packedColumns(first, depth, scale));
    memory.exports.addGram(TILES, packed, 32 * depth, 32 * depth, 0, groups, 1);
  }
  return copyTriangle(memory, n, packed);
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
  // A packed group of 256 columns takes 8 KiB, more than four rows of it do.
  const memory = workspace(packed + groups * 32 * DEPTH, `a Cholesky factorisation of ${n} rows`);
  const wide = padded(n);
  const rows = memory.doubles(packed, 4 * wide);
  for (let group = 0; group < groups; group++) {
    rows.fill(0);
    for (let i = 4 * group; i < Math.min(n, 4 * group + 4); i++) {
      rows.set(g.subarray(i * n, i * n + i + 1), (i % 4) * wide);
    }
    memory.exports.loadRows(TILES, group, packed, 8 * wide);
  }
  memory.exports.shiftTiles(TILES, TILES, n, shift);
  const failed = memory.exports.cholesky(TILES, groups, packed);
  return failed < 0 ? null : failed;
}
