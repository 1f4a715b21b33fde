import type { Interval, ScalarFunction } from "./operation.ts";
import { EVERYTHING, hull, meet, product, quotient, sum } from "./scalar-interval.ts";

/**
 * Math.exp, log, tanh and friends are only "implementation-approximated" in the language; engines err by one or two
 * ulps (2⁻⁵²), and the few roundings around such a call add as many again. Whatever a smooth function computes is
 * taken to be right to 2⁻⁴⁵ of the size of its terms: more than thirty times that.
 */
const ACCURACY = 2 ** -45;

/** Far more than what underflow can add or take away. */
const UNDERFLOW = 2 ** -1000;

/** The interval around a computed number whose terms are of the given size; NaN says nothing. */
export function about(value: number, size = Math.abs(value)): Interval {
  if (value === Infinity) return [Number.MAX_VALUE, value];
  if (value === -Infinity) return [value, -Number.MAX_VALUE];
  const reach = size * ACCURACY + UNDERFLOW;
  return reach < Infinity ? [value - reach, value + reach] : EVERYTHING;
}

/** Where a function (or its slope) turns: the place to a relative 2⁻⁴⁰, the number there rounded outward. */
export interface Turn {
  readonly at: number;
  readonly value: number;
}

/** A smooth function of one variable, by the few facts that enclose it. */
export interface Smooth {
  value(x: number): number;
  slope(x: number): number;
  /** Its limits at −∞ and ∞, and those of its slope. */
  readonly ends: Interval;
  readonly slopeEnds: Interval;
  /** Every place where it turns, and every place where its slope does. Absent: nowhere. */
  readonly turns?: readonly Turn[];
  readonly bends?: readonly Turn[];
  /** Where it is defined; absent: everywhere. */
  readonly domain?: Interval;
  /** Numbers that hold every value, every slope: what rounding must not leave. */
  readonly values?: Interval;
  readonly slopes?: Interval;
  /** Sizes of the terms that value and slope are sums of, where these cancel. */
  valueSize?(x: number): number;
  slopeSize?(x: number): number;
}

/** True when a turn may lie in [lo, hi]. */
function reaches(lo: number, hi: number, at: number): boolean {
  const near = 2 ** -40 * Math.max(1, Math.abs(at));
  return lo <= at + near && at - near <= hi;
}

function enclosed(
  lo: number,
  hi: number,
  at: (x: number) => Interval,
  turns: readonly Turn[] | undefined,
  limits: Interval | undefined,
): Interval {
  let found = lo === hi ? at(lo) : hull(at(lo), at(hi));
  for (const turn of turns ?? []) if (reaches(lo, hi, turn.at)) found = hull(found, [turn.value, turn.value]);
  return limits === undefined ? found : meet(found, limits);
}

/** A smooth function with its intervals: extremes lie at the ends or where it turns. */
export function smooth(f: Smooth): ScalarFunction {
  const valueAt = (x: number) => {
    if (Number.isFinite(x)) return about(f.value(x), f.valueSize?.(x));
    return interval(f.ends[x < 0 ? 0 : 1]);
  };
  const slopeAt = (x: number) => {
    // The sign of −0 would turn an infinite slope around.
    if (Number.isFinite(x)) return about(f.slope(x + 0), f.slopeSize?.(x));
    return interval(f.slopeEnds[x < 0 ? 0 : 1]);
  };
  const [least, most] = f.domain ?? EVERYTHING;
  const defined = (lo: number, hi: number) => lo >= least && hi <= most;
  return {
    value: f.value,
    slope: f.slope,
    image: (lo, hi) => (defined(lo, hi) ? enclosed(lo, hi, valueAt, f.turns, f.values) : EVERYTHING),
    slopes: (lo, hi) => (defined(lo, hi) ? enclosed(lo, hi, slopeAt, f.bends, f.slopes) : EVERYTHING),
  };
}

function interval(x: number): Interval {
  return [x, x];
}

/** slope·x + offset, both exact numbers. */
export function line(slope: number, offset = 0): ScalarFunction {
  return {
    value: (x) => slope * x + offset,
    slope: () => slope,
    image: (lo, hi) => sum(product(interval(slope), [lo, hi]), interval(offset)),
    slopes: () => interval(slope),
  };
}

export const identity = line(1);

/** A constant. */
export function level(c: number): ScalarFunction {
  return { value: () => c, slope: () => 0, image: () => interval(c), slopes: () => interval(0) };
}

/** x / divisor. */
export function divided(divisor: number): ScalarFunction {
  const slopes = quotient([1, 1], interval(divisor));
  return {
    value: (x) => x / divisor,
    slope: () => 1 / divisor,
    image: (lo, hi) => quotient([lo, hi], interval(divisor)),
    slopes: () => slopes,
  };
}

/** outer(inner(x)). */
export function compose(outer: ScalarFunction, inner: ScalarFunction): ScalarFunction {
  return {
    value: (x) => outer.value(inner.value(x)),
    slope: (x) => outer.slope(inner.value(x)) * inner.slope(x),
    image: (lo, hi) => outer.image(...inner.image(lo, hi)),
    slopes: (lo, hi) => product(outer.slopes(...inner.image(lo, hi)), inner.slopes(lo, hi)),
  };
}

const imageOf = (f: ScalarFunction, lo: number, hi: number) => f.image(lo, hi);
const slopesOf = (f: ScalarFunction, lo: number, hi: number) => f.slopes(lo, hi);

/**
 * A function made of pieces: piece k holds up to knot k (ascending exact numbers), the last one beyond them all.
 * @param jumps true where the pieces do not meet at their knots.
 */
export function piecewise(
  knots: readonly number[],
  pieces: readonly ScalarFunction[],
  jumps = false,
): ScalarFunction {
  const pieceAt = (x: number) => {
    let k = 0;
    while (k < knots.length && x > knots[k]) k++;
    return pieces[k];
  };
  // Pieces that meet the interval in more than a point; where they do not join up, or it is a point, all that touch.
  const around = (
    lo: number,
    hi: number,
    each: (f: ScalarFunction, from: number, to: number) => Interval,
  ) => {
    let found: Interval | undefined;
    for (let k = 0; k < pieces.length; k++) {
      const from = k === 0 ? lo : Math.max(lo, knots[k - 1]);
      const to = k === knots.length ? hi : Math.min(hi, knots[k]);
      if (from > to || (from === to && lo < hi && !jumps)) continue;
      const part = each(pieces[k], from, to);
      found = found === undefined ? part : hull(found, part);
    }
    return found ?? EVERYTHING;
  };
  return {
    value: (x) => pieceAt(x).value(x),
    slope: (x) => pieceAt(x).slope(x),
    image: (lo, hi) => around(lo, hi, imageOf),
    slopes: (lo, hi) =>
      jumps && knots.some((knot) => lo <= knot && knot <= hi) ? EVERYTHING : around(lo, hi, slopesOf),
  };
}

/** A function of steps that never decreases. */
export function steps(value: (x: number) => number): ScalarFunction {
  return {
    value,
    slope: () => 0,
    image: (lo, hi) => [value(lo), value(hi)],
    slopes: (lo, hi) => (value(lo) === value(hi) ? [0, 0] : [0, Infinity]),
  };
}

/** True or false (1 or 0): decided over an interval or not. */
export function predicate(
  value: (x: number) => boolean,
  decided: (lo: number, hi: number) => boolean | undefined,
): ScalarFunction {
  return {
    value: (x) => (value(x) ? 1 : 0),
    slope: () => 0,
    image: (lo, hi) => truth(decided(lo, hi)),
    slopes: (lo, hi) => (decided(lo, hi) === undefined ? EVERYTHING : [0, 0]),
  };
}

/** The numbers that a truth value may be. */
export function truth(known: boolean | undefined): Interval {
  return known === undefined ? [0, 1] : interval(known ? 1 : 0);
}
