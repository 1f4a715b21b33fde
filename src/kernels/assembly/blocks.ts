// Block products: rows are packed as float64 in groups of four, then multiplied tile by tile.
import { BYTES, pair } from "./storage";
import { realTile } from "./tile";

/** Where a tile is put before it is added to its place. */
// @ts-ignore: decorator
@inline const TILE: usize = 0;

// @ts-ignore: decorator
@inline function storeTransposed(to: usize, x: v128, y: v128, offset: usize): void {
  v128.store(to + offset, v128.shuffle<f64>(x, y, 0, 2));
  v128.store(to + offset + 32, v128.shuffle<f64>(x, y, 1, 3));
}

/**
 * Packs rows as groups of four: for `length` elements (a multiple of four) from `a`, times `scale`. `groupBytes`
 * lies between the starts of packed groups. Missing rows are zero.
 */
export function packRows(
  a: usize, rows: usize, stride: usize, length: usize, scale: f64, to: usize, groupBytes: usize,
): void {
  const factor = f64x2.splat(scale);
  const end = to + 32 * length;
  for (let i: usize = 0; i < rows; i += 4) {
    const live = rows - i;
    const b = live > 1 ? a + stride : a;
    const c = live > 2 ? b + stride : b;
    const d = live > 3 ? c + stride : c;
    const fb = live > 1 ? factor : f64x2.splat(0);
    const fc = live > 2 ? factor : f64x2.splat(0);
    const fd = live > 3 ? factor : f64x2.splat(0);
    const groupEnd = end + (i >> 2) * groupBytes;
    let at: usize = 0;
    for (let p = groupEnd - 32 * length; p != groupEnd; p += 64) {
      const x = f64x2.mul(pair(a + at), factor), y = f64x2.mul(pair(b + at), fb);
      const z = f64x2.mul(pair(c + at), fc), w = f64x2.mul(pair(d + at), fd);
      storeTransposed(p, x, y, 0);
      storeTransposed(p, z, w, 16);
      at += 2 * BYTES;
    }
    a += 4 * stride;
  }
}

/** Packs four columns of `rows` rows from `a`. */
// @ts-ignore: decorator
@inline function packColumns(a: usize, rows: usize, stride: usize, to: usize): void {
  for (let i: usize = 0; i < rows; i++) {
    v128.store(to, pair(a));
    v128.store(to, pair(a + 2 * BYTES), 16);
    a += stride;
    to += 32;
  }
}

/** Packs a row-major float64 matrix of rows × count (a multiple of four) by groups of four columns. */
export function packDense(a: usize, rows: usize, count: usize, to: usize): void {
  for (let j: usize = 0; j < count; j += 4) {
    let p = a + 8 * j;
    for (let i: usize = 0; i < rows; i++) {
      v128.store(to, v128.load(p));
      v128.store(to, v128.load(p, 16), 16);
      p += 8 * count;
      to += 32;
    }
  }
}

/** Adds group · packedᵀ to four rows of a rows × count matrix at `y`. */
export function addTiles(group: usize, packed: usize, packedBytes: usize, bytes: usize, y: usize, count: usize): void {
  const line: usize = 8 * count;
  for (let j: usize = 0; j < count; j += 4) {
    realTile(packed, group, bytes, TILE);
    let p = y + 8 * j;
    for (let t = TILE; t != TILE + 128; t += 32) {
      v128.store(p, f64x2.add(v128.load(p), v128.load(t)));
      v128.store(p, f64x2.add(v128.load(p, 16), v128.load(t, 16)), 16);
      p += line;
    }
    packed += packedBytes;
  }
}

/** Entries of packed groups multiplied at a time: two groups of 8 KiB stay in the first-level cache. */
// @ts-ignore: decorator
@inline const DEPTH: usize = 256;

/** Y += A X: X packed by `packDense` (cols rows), Y rows × count with rows rounded up to a multiple of four. */
export function applyBlock(
  data: usize, rows: usize, stride: usize, cols: usize, x: usize, count: usize, y: usize, group: usize,
): void {
  for (let k: usize = 0; k < cols; k += DEPTH) {
    const depth = min(DEPTH, cols - k);
    for (let i: usize = 0; i < rows; i += 4) {
      packRows(data + i * stride + k * BYTES, min<usize>(4, rows - i), stride, depth, 1, group, 0);
      addTiles(group, x + 32 * k, 32 * cols, 32 * depth, y + 8 * i * count, count);
    }
  }
}

/** X += Aᵀ Y: Y packed by `packDense` (rows rows), X cols × count with cols a multiple of four. */
export function adjointBlock(
  data: usize, rows: usize, stride: usize, cols: usize, y: usize, count: usize, x: usize, group: usize,
): void {
  for (let k: usize = 0; k < rows; k += DEPTH) {
    const depth = min(DEPTH, rows - k);
    for (let j: usize = 0; j < cols; j += 4) {
      packColumns(data + k * stride + j * BYTES, depth, stride, group);
      addTiles(group, y + 32 * k, 32 * rows, 32 * depth, x + 8 * j * count, count);
    }
  }
}
