import { divUp, down, mulUp, sqrtUp, sumOfSquaresUp, UNIT_ROUNDOFF, up } from "../linalg/rounding.ts";

/** A network sees x·scale + shift; radii are told in units of x. */
export interface Units {
  readonly scale: number;
  readonly shift: number;
}

/** A point as the network takes it. */
export interface Seen {
  readonly z: Float64Array;
  /** ‖z − (x·scale + shift)‖, rounded up: z is computed in float64. 0 where nothing was computed. */
  readonly error: number;
}

function isPlain({ scale, shift }: Units): boolean {
  return scale === 1 && shift === 0;
}

/** x·scale + shift with a bound of its rounding. */
export function see(x: Float64Array, units: Units): Seen {
  if (isPlain(units)) return { z: x, error: 0 };
  const { scale, shift } = units;
  let squares = 0;
  const z = x.map((value) => {
    const product = value * scale;
    const sum = product + shift;
    // Each of the two results is off by at most u times its size (and an underflow); 2u covers the float sum.
    const off = 2 * UNIT_ROUNDOFF * (Math.abs(product) + Math.abs(sum)) + Number.MIN_VALUE;
    squares += off * off;
    return sum;
  });
  // Three roundings go into each term.
  return { z, error: sqrtUp(sumOfSquaresUp(squares, x.length + 6)) };
}

/** A radius around z told around x, rounded down: what moves x by less moves the true image by less than it. */
export function radiusOf(radius: number, { error }: Seen, units: Units): number {
  const finite = Math.min(radius, Number.MAX_VALUE);
  if (isPlain(units)) return finite;
  return down(down(Math.max(finite - error, 0)) / Math.abs(units.scale));
}

/** A distance from z told as one from x, rounded up. */
export function distanceOf(distance: number, { error }: Seen, units: Units): number {
  return isPlain(units) ? distance : divUp(up(distance + error), Math.abs(units.scale));
}

/** How far from z an attack may go so that x moves by at most ε. */
export function budgetOf(epsilon: number, { error }: Seen, units: Units): number {
  if (isPlain(units)) return epsilon;
  // 2⁻⁴⁸ leaves room for the roundings of `distanceOf`.
  const most = down(epsilon * Math.abs(units.scale)) - mulUp(2, error);
  return Math.max(most * (1 - 2 ** -48), 0);
}
