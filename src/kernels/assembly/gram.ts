// Products of packed groups with themselves, into a lower triangle of tiles.
import { complexHalfTile } from "./complex-tile";
import { COLUMN, IS_COMPLEX, TILE, tileAt } from "./entry";
import { realTile } from "./tile";

/** Where a tile of sums is put before use. */
@inline export const SUMS: usize = 0;

/** SUMS[c][r] = Σ_k a_r[k] · conj(b_c[k]) over `bytes` of packed columns. */
@inline export function sums(a: usize, b: usize, bytes: usize): void {
  if (IS_COMPLEX) {
    complexHalfTile(a, b, bytes, SUMS);
    complexHalfTile(a, b + 16, bytes, SUMS + 128);
  } else {
    realTile(a, b, bytes, SUMS);
  }
}

/** Tiles (g, first), …, (g, last − 1) += sign · P_g P_hᴴ. */
export function updateTiles(
  tiles: usize, packed: usize, groupBytes: usize, bytes: usize, g: usize, first: usize, last: usize, sign: f64,
): void {
  const a = packed + g * groupBytes;
  const factor = f64x2.splat(sign);
  let to = tileAt(tiles, g, first);
  for (let h = first; h < last; h++) {
    sums(a, packed + h * groupBytes, bytes);
    for (let t: usize = 0; t < TILE; t += 16) {
      v128.store(to + t, f64x2.add(v128.load(to + t), f64x2.mul(v128.load(SUMS + t), factor)));
    }
    to += TILE;
  }
}

/** Groups kept in the second-level cache while all others pass by. */
@inline const BLOCK: usize = 16;

/** Tiles (g, h), from ≤ h ≤ g < groups, += sign · P Pᴴ over `bytes` of each packed group. */
export function addGram(
  tiles: usize, packed: usize, groupBytes: usize, bytes: usize, from: usize, groups: usize, sign: f64,
): void {
  for (let first = from; first < groups; first += BLOCK) {
    for (let g = first; g < groups; g++) {
      updateTiles(tiles, packed, groupBytes, bytes, g, first, min(g + 1, first + BLOCK), sign);
    }
  }
}

/** Copies four rows of real numbers, `line` bytes apart, into the tiles of group g. */
export function loadRows(tiles: usize, g: usize, rows: usize, line: usize): void {
  let to = tileAt(tiles, g, 0);
  const end = tileAt(tiles, g + 1, 0);
  for (; to != end; to += COLUMN) {
    for (let r: usize = 0; r < 4; r++) store<f64>(to + 8 * r, load<f64>(rows + r * line));
    rows += 8;
  }
}

/** Copies the tiles of group g out to four rows of real numbers. */
export function storeRows(tiles: usize, g: usize, rows: usize, line: usize): void {
  let from = tileAt(tiles, g, 0);
  const end = tileAt(tiles, g + 1, 0);
  for (; from != end; from += COLUMN) {
    for (let r: usize = 0; r < 4; r++) store<f64>(rows + r * line, load<f64>(from + 8 * r));
    rows += 8;
  }
}
