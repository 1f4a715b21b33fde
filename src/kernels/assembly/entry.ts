// What a matrix entry is: a real number, or a complex one. COMPLEX is set per module by scripts/build-kernels.mjs.
// A packed group of four rows holds, for each column, four real parts and then (if complex) four imaginary parts;
// a tile holds four such columns.

@inline export const IS_COMPLEX: bool = COMPLEX != 0;

/** Bytes of a packed column of four entries. */
@inline export const COLUMN: usize = IS_COMPLEX ? 64 : 32;

/** Bytes of a 4 × 4 tile. */
@inline export const TILE: usize = 4 * COLUMN;

/** Address of the (g, h)-th tile, g ≥ h, of a lower triangle stored row by row. */
@inline export function tileAt(tiles: usize, g: usize, h: usize): usize {
  return tiles + (g * (g + 1) / 2 + h) * TILE;
}
