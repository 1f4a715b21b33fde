// The autocorrelation of a convolution kernel. For taps W_q and waves z_q the Gram matrix of the symbol is
// Σ W_q W_rᵀ z_q z̄_r, and z_q z̄_r depends only on the lag q − r: the products are summed per lag once, and every
// frequency then only weighs those sums. A lag and its opposite share U = Σ (W_q W_rᵀ + W_r W_qᵀ), weighed by the real
// part, and V = Σ (W_q W_rᵀ − W_r W_qᵀ), weighed by the imaginary part. Tiles are complex ones with U and V as parts;
// the tiles of all lags for one place of the triangle lie side by side.
import { COLUMN, TILE } from "./entry";
import { SUMS } from "./gram";
import { realTile } from "./tile";

/** Regroups `width` columns from `kernel` (by group, column, tap) as packed real groups by group and tap. */
export function packTaps(kernel: usize, groups: usize, cols: usize, taps: usize, width: usize, to: usize): void {
  for (let g: usize = 0; g < groups; g++) {
    for (let q: usize = 0; q < taps; q++) {
      let from = kernel + 32 * (g * cols * taps + q);
      for (let c: usize = 0; c < width; c++) {
        v128.store(to, v128.load(from));
        v128.store(to, v128.load(from, 16), 16);
        from += 32 * taps;
        to += 32;
      }
    }
  }
}

/** U, V += M + M', M − M' for the two tiles of real sums at SUMS. */
@inline function addBoth(tile: usize): void {
  for (let s: usize = SUMS; s != SUMS + 128; s += 16) {
    const u = tile + ((s & ~31) << 1) + (s & 16);
    const m = v128.load(s), n = v128.load(s, 128);
    v128.store(u, f64x2.add(v128.load(u), f64x2.add(m, n)));
    v128.store(u, f64x2.add(v128.load(u, 32), f64x2.sub(m, n)), 32);
  }
}

/** Adds the products of the packed groups at a and b to the tiles of all lags; `pairs` holds q, r and the lag. */
export function addPairs(a: usize, b: usize, bytes: usize, pairs: usize, end: usize, tiles: usize): void {
  for (; pairs != end; pairs += 12) {
    const q = bytes * load<u32>(pairs), r = bytes * load<u32>(pairs, 4);
    realTile(a + q, b + r, bytes, SUMS);
    if (q == r) memory.fill(SUMS + 128, 0, 128);
    else realTile(a + r, b + q, bytes, SUMS + 128);
    addBoth(tiles + TILE * load<u32>(pairs, 8));
  }
}

/** Adds the products of packed columns (`bytes` per group and tap) to the lags' triangle, `place` bytes per place. */
export function addLags(
  packed: usize, groups: usize, taps: usize, bytes: usize, pairs: usize, end: usize, tiles: usize, place: usize,
): void {
  for (let g: usize = 0; g < groups; g++) {
    for (let h: usize = 0; h <= g; h++) {
      addPairs(packed + g * taps * bytes, packed + h * taps * bytes, bytes, pairs, end, tiles);
      tiles += place;
    }
  }
}

/** A column of a tile: Σ x U, Σ y V over the weights x, y of all lags. */
@inline function weighColumn(lags: usize, weights: usize, end: usize, to: usize): void {
  let r0 = f64x2.splat(0), r1 = r0, i0 = r0, i1 = r0;
  for (; weights != end; weights += 16) {
    const x = v128.load64_splat(weights), y = v128.load64_splat(weights, 8);
    r0 = f64x2.add(r0, f64x2.mul(x, v128.load(lags)));
    r1 = f64x2.add(r1, f64x2.mul(x, v128.load(lags, 16)));
    i0 = f64x2.add(i0, f64x2.mul(y, v128.load(lags, 32)));
    i1 = f64x2.add(i1, f64x2.mul(y, v128.load(lags, 48)));
    lags += TILE;
  }
  v128.store(to, r0);
  v128.store(to, r1, 16);
  v128.store(to, i0, 32);
  v128.store(to, i1, 48);
}

/** The Gram matrix of one frequency, `places` tiles, from the lags and their weights. */
export function weighLags(lags: usize, count: usize, weights: usize, tiles: usize, places: usize): void {
  const end = weights + 16 * count;
  for (let p: usize = 0; p < places; p++) {
    for (const next = tiles + TILE; tiles != next; tiles += COLUMN) {
      weighColumn(lags, weights, end, tiles);
      lags += COLUMN;
    }
    lags += (count - 1) * TILE;
  }
}
