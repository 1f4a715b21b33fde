// Cholesky factorisation of a lower triangle of tiles. Right-looking by panels, left-looking inside a panel; the
// factor itself is not kept, only whether it exists. Every entry is a plain sum of products, then one division or
// square root: no inverted blocks and no reciprocals, as the a-priori error bound wants.
import { COLUMN, IS_COMPLEX, TILE, tileAt } from "./entry";
import { addGram, SUMS, sums } from "./gram";

/** Groups of four columns factored at a time. */
@inline const PANEL: usize = IS_COMPLEX ? 32 : 64;

/** H = shift·I − G for n rows (to = from is allowed); rows beyond n become rows of the unit matrix. */
export function shiftTiles(from: usize, to: usize, n: usize, shift: f64): void {
  const groups = (n + 3) / 4;
  const bytes = tileAt(0, groups, 0);
  for (let t: usize = 0; t < bytes; t += 16) v128.store(to + t, f64x2.neg(v128.load(from + t)));
  for (let i: usize = 0; i < 4 * groups; i++) {
    const at = tileAt(to, i / 4, i / 4) + (i % 4) * (COLUMN + 8);
    store<f64>(at, i < n ? shift + load<f64>(at) : 1);
  }
}

/** t − Σ_{d<c} x_d · conj(L_cd), and division by the pivot, for column c of four rows; x in `to`, L in `diagonal`. */
@inline function solveReal(c: usize, tile: usize, to: usize, diagonal: usize, own: bool): bool {
  let x = v128.load(tile + c * COLUMN), y = v128.load(tile + c * COLUMN, 16);
  for (let d: usize = 0; d < c; d++) {
    const l = v128.load64_splat(diagonal + d * COLUMN + 8 * c);
    x = f64x2.sub(x, f64x2.mul(v128.load(to + d * COLUMN), l));
    y = f64x2.sub(y, f64x2.mul(v128.load(to + d * COLUMN, 16), l));
  }
  const at = to + c * COLUMN;
  v128.store(at, x);
  v128.store(at, y, 16);
  return divide(c, at, diagonal, own);
}

@inline function solveComplex(c: usize, tile: usize, to: usize, diagonal: usize, own: bool): bool {
  const from = tile + c * COLUMN;
  let x0 = v128.load(from), x1 = v128.load(from, 16);
  let y0 = v128.load(from, 32), y1 = v128.load(from, 48);
  for (let d: usize = 0; d < c; d++) {
    const column = to + d * COLUMN;
    const re = v128.load64_splat(diagonal + d * COLUMN + 8 * c);
    const im = v128.load64_splat(diagonal + d * COLUMN + 8 * c, 32);
    const r0 = v128.load(column), r1 = v128.load(column, 16);
    const i0 = v128.load(column, 32), i1 = v128.load(column, 48);
    x0 = f64x2.sub(f64x2.sub(x0, f64x2.mul(r0, re)), f64x2.mul(i0, im));
    x1 = f64x2.sub(f64x2.sub(x1, f64x2.mul(r1, re)), f64x2.mul(i1, im));
    y0 = f64x2.add(f64x2.sub(y0, f64x2.mul(i0, re)), f64x2.mul(r0, im));
    y1 = f64x2.add(f64x2.sub(y1, f64x2.mul(i1, re)), f64x2.mul(r1, im));
  }
  const at = to + c * COLUMN;
  v128.store(at, x0);
  v128.store(at, x1, 16);
  v128.store(at, y0, 32);
  v128.store(at, y1, 48);
  return divide(c, at, diagonal, own);
}

/** Divides column c by its pivot; in the pivot's own group takes the root first and fails unless it is > 0. */
@inline function divide(c: usize, at: usize, diagonal: usize, own: bool): bool {
  let root: f64;
  if (own) {
    const pivot = load<f64>(at + 8 * c);
    if (!(pivot > 0)) return false;
    root = Math.sqrt(pivot);
  } else {
    root = load<f64>(diagonal + c * (COLUMN + 8));
  }
  for (let t: usize = 0; t < COLUMN; t += 16) {
    v128.store(at + t, f64x2.div(v128.load(at + t), f64x2.splat(root)));
  }
  if (own) store<f64>(at + 8 * c, root);
  return true;
}

/**
 * Columns of group h of the factor for the rows of group g, put where packed group g has them.
 * Returns the number of columns done: below 4 if the next pivot was not > 0.
 */
function finishTile(tile: usize, to: usize, diagonal: usize, own: bool): usize {
  for (let t: usize = 0; t < TILE; t += 16) {
    v128.store(SUMS + t, f64x2.sub(v128.load(tile + t), v128.load(SUMS + t)));
  }
  for (let c: usize = 0; c < 4; c++) {
    const good = IS_COMPLEX ? solveComplex(c, SUMS, to, diagonal, own) : solveReal(c, SUMS, to, diagonal, own);
    if (!good) return c;
  }
  return 4;
}

/** The panel's part of the factor for group g. Returns the index of a failed pivot, or −1. */
export function panelRow(tiles: usize, packed: usize, groupBytes: usize, g: usize, from: usize, to: usize): i32 {
  const a = packed + g * groupBytes;
  const last = min(g + 1, to);
  let depth: usize = 0;
  for (let h = from; h < last; h++) {
    const b = packed + h * groupBytes;
    sums(a, b, depth);
    const done = finishTile(tileAt(tiles, g, h), a + depth, b + depth, g == h);
    if (done < 4) return 4 * <i32>g + <i32>done;
    depth += TILE;
  }
  return -1;
}

/** Bytes of one packed group: 8 KiB. */
@inline const GROUP: usize = PANEL * TILE;

/** Factors the tiles (overwritten), with `groups` packed groups of scratch. Returns −1, or the index of the first pivot that was not > 0. */
export function cholesky(tiles: usize, groups: usize, packed: usize): i32 {
  for (let from: usize = 0; from < groups; from += PANEL) {
    const to = min(groups, from + PANEL);
    for (let g = from; g < groups; g++) {
      const failed = panelRow(tiles, packed, GROUP, g, from, to);
      if (failed >= 0) return failed;
    }
    addGram(tiles, packed, GROUP, (to - from) * TILE, to, groups, -1);
  }
  return -1;
}
