/**
 * cos and sin of 2πm/N with a proved error. `Math.cos` is only implementation-approximated in the language, so a
 * proof cannot rest on it; here the Taylor series runs in 96-bit fixed point on BigInt and the result is rounded once.
 */

const BITS = 96n;
const ONE = 1n << BITS;

/** π·2⁹⁶ to the nearest integer, from its hexadecimal expansion. */
const PI = 0x3243f6a8885a308d313198a2en;

/** |computed − true| of every entry: half an ulp of numbers up to 1, plus the fixed-point error (< 2⁻⁸⁰). */
export const ROOT_ERROR = 2 ** -53 * (1 + 2 ** -20);

/** cos and sin of 2πm/N, m = 0 … N−1. */
export interface RootsOfUnity {
  readonly cos: Float64Array;
  readonly sin: Float64Array;
}

/** Tables kept; a network has a handful of image sizes. */
const MOST_TABLES = 64;

const tables = new Map<number, RootsOfUnity>();

function toNumber(x: bigint): number {
  // Keep 2⁻⁹⁶ scaling exact: Number() rounds once, the power of two is exact.
  return Number(x) * 2 ** -96;
}

/** sin and cos of x·2⁻⁹⁶ for 0 ≤ x·2⁻⁹⁶ ≤ π/4. */
function sineAndCosine(x: bigint): { sin: bigint; cos: bigint } {
  const square = (x * x) >> BITS;
  let sin = 0n;
  let cos = 0n;
  let sinTerm = x;
  let cosTerm = ONE;
  for (let k = 1n; sinTerm !== 0n || cosTerm !== 0n; k += 2n) {
    sin += sinTerm;
    cos += cosTerm;
    cosTerm = -((cosTerm * square) >> BITS) / (k * (k + 1n));
    sinTerm = -((sinTerm * square) >> BITS) / ((k + 1n) * (k + 2n));
  }
  return { sin, cos };
}

/**
 * cos(2πm/N) and sin(2πm/N) for m = 0 … N−1, each within `ROOT_ERROR` of the truth.
 * Tables are kept for the next caller; do not change them.
 * @param count N ≥ 1.
 */
export function rootsOfUnity(count: number): RootsOfUnity {
  let roots = tables.get(count);
  if (roots === undefined) {
    if (tables.size >= MOST_TABLES) tables.clear();
    roots = computeRoots(count);
    tables.set(count, roots);
  }
  return roots;
}

function computeRoots(count: number): RootsOfUnity {
  const cos = new Float64Array(count);
  const sin = new Float64Array(count);
  const n = BigInt(count);
  for (let m = 0; m < count; m++) {
    // Eighth-turn reduction in exact integers: angle = octant·π/4 + rest, rest = remainder/(8N) of a turn.
    const eighths = 8n * BigInt(m);
    const octant = Number(eighths / n);
    const remainder = eighths % n;
    const odd = octant % 2 === 1;
    const fromAxis = odd ? n - remainder : remainder;
    const small = sineAndCosine((PI * fromAxis) / (4n * n));
    const c = toNumber(small.cos);
    const s = toNumber(small.sin);
    const [x, y] = OCTANTS[octant]!(c, s);
    cos[m] = x;
    sin[m] = y;
  }
  return { cos, sin };
}

/** (cos, sin) of the small angle measured from the nearest axis → (cos, sin) in each eighth of the turn. */
const OCTANTS: readonly ((c: number, s: number) => [number, number])[] = [
  (c, s) => [c, s],
  (c, s) => [s, c],
  (c, s) => [-s, c],
  (c, s) => [-c, s],
  (c, s) => [-c, -s],
  (c, s) => [-s, -c],
  (c, s) => [s, -c],
  (c, s) => [c, -s],
];
