// Block products: rows are packed as float64 in groups of four, then multiplied tile by tile.
import { BYTES, high, low, QUAD, quad, stored } from "./storage";
import { realTile } from "./tile";

/** Where a tile is put before it is added to its place. */
@inline const TILE: usize = 0;

/** Packs one row of a group: elements from `a` until `end`, times `scale`, 32 bytes apart. */
@inline function packRow(a: usize, end: usize, scale: f64, to: usize): void {
  const factor = f64x2.splat(scale);
  for (; a != end; a += QUAD) {
    const q = quad(a);
    const x = f64x2.mul(stored(low(q, a)), factor), y = f64x2.mul(stored(high(q, a)), factor);
    v128.store64_lane(to, x, 0);
    v128.store64_lane(to, x, 1, 32);
    v128.store64_lane(to, y, 0, 64);
    v128.store64_lane(to, y, 1, 96);
    to += 128;
  }
}

/**
 * Packs rows as groups of four: `length` elements (a multiple of four) from `a`, times `scale`, into consecutive
 * groups of 32 · length bytes. Rows missing in the last group are zero.
 */
export function packRows(a: usize, rows: usize, stride: usize, length: usize, scale: f64, to: usize): void {
  for (let i: usize = 0; i < rows; i += 4) {
    for (let r: usize = 0; r < 4; r++) {
      const row = i + r < rows ? a + r * stride : a;
      packRow(row, row + length * BYTES, i + r < rows ? scale : 0, to + 8 * r);
    }
    a += 4 * stride;
    to += 32 * length;
  }
}

/** Packs four columns of `rows` rows from `a`. */
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
