// Block products: rows are packed as float64 in groups of four, then multiplied tile by tile.
import { BYTES, high, low, QUAD, quad, stored } from "./storage";
import { realTile } from "./tile";

/** Where a tile is put before it is added to its place. */
// @ts-ignore: decorator
@inline const TILE: usize = 0;

/** Packs two rows beside each other: four elements of each from `a` and `b`, into lanes of columns 32 bytes apart. */
// @ts-ignore: decorator
@inline function packPair(a: usize, b: usize, fa: v128, fb: v128, to: usize): void {
  const p = quad(a), q = quad(b);
  const x = f64x2.mul(stored(low(p, a)), fa), y = f64x2.mul(stored(low(q, b)), fb);
  const z = f64x2.mul(stored(high(p, a)), fa), w = f64x2.mul(stored(high(q, b)), fb);
  v128.store(to, v128.shuffle<f64>(x, y, 0, 2));
  v128.store(to, v128.shuffle<f64>(x, y, 1, 3), 32);
  v128.store(to, v128.shuffle<f64>(z, w, 0, 2), 64);
  v128.store(to, v128.shuffle<f64>(z, w, 1, 3), 96);
}

/**
 * Packs rows as groups of four: `length` elements (a multiple of four) from `a`, times `scale`, into consecutive
 * groups of 32 · length bytes. Missing rows are zero.
 */
export function packRows(a: usize, rows: usize, stride: usize, length: usize, scale: f64, to: usize): void {
  const fa = f64x2.splat(scale), none = f64x2.splat(0);
  for (let i: usize = 0; i < rows; i += 4) {
    const live = rows - i;
    const b = live > 1 ? stride : 0, c = live > 2 ? stride + stride : 0, d = live > 3 ? c + stride : 0;
    const fb = live > 1 ? fa : none, fc = live > 2 ? fa : none, fd = live > 3 ? fa : none;
    const end = a + length * BYTES;
    for (let p = a; p != end; p += QUAD) {
      packPair(p, p + b, fa, fb, to);
      packPair(p + c, p + d, fc, fd, to + 16);
      to += 128;
    }
    a += 4 * stride;
  }
}

/** Packs four columns of `rows` rows from `a`. */
// @ts-ignore: decorator
@inline function packColumns(a: usize, rows: usize, stride: usize, to: usize): void {
  for (let i: usize = 0; i < rows; i++) {
    const q = quad(a);
    v128.store(to, stored(low(q, a)));
    v128.store(to, stored(high(q, a)), 16);
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
      packRows(data + i * stride + k * BYTES, min<usize>(4, rows - i), stride, depth, 1, group);
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
