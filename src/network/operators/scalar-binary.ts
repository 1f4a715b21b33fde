import type { BinaryFunction } from "./broadcast-function.ts";
import type { Interval } from "./operation.ts";
import { about, truth } from "./scalar.ts";
import { EVERYTHING, holds, hull, negative, product, quotient, roundUp, sum } from "./scalar-interval.ts";
import { log } from "./smooth-elementary.ts";

export const productFunction: BinaryFunction = {
  value: (a, b) => a * b,
  slopeA: (_a, b) => b,
  slopeB: (a) => a,
  image: product,
  slopes: (a, b) => [b, a],
};

export const quotientFunction: BinaryFunction = {
  value: (a, b) => a / b,
  slopeA: (_a, b) => 1 / b,
  slopeB: (a, b) => -a / b / b,
  image: quotient,
  slopes: (a, b) => [quotient([1, 1], b), quotient(quotient(negative(a), b), b)],
};

function power(a: number, b: number): number {
  if (b === 2) return a * a;
  if (b === 0.5) return Math.sqrt(a);
  return b === -1 ? 1 / a : a ** b;
}

/** aᵇ at one exponent; everything where a may be negative (a root) or 0 (a pole). */
function powerAt([lo, hi]: Interval, b: number): Interval {
  if (b === 0) return [1, 1];
  if (b === 1) return [lo, hi];
  const whole = Number.isInteger(b);
  if ((!whole && lo < 0) || (b < 0 && lo <= 0 && hi >= 0)) return EVERYTHING;
  const [least, most] = hull(powerEnd(lo, b), powerEnd(hi, b));
  if (!whole || b % 2 === 0) return [lo < 0 && hi > 0 ? 0 : Math.max(least, 0), most];
  return [least, most];
}

function powerEnd(a: number, b: number): Interval {
  return Number.isFinite(a) ? about(power(a, b)) : [a ** b, a ** b];
}

/** b·aᵇ⁻¹ at one exponent. */
function powerSlopeAt(a: Interval, b: number): Interval {
  if (b === 0) return [0, 0];
  // Then b − 1 is exact.
  if (Number.isInteger(b) || b >= 0.5) return product([b, b], powerAt(a, b - 1));
  // Otherwise monotone for a ≥ 0, from infinity at 0 down to 0.
  const [lo, hi] = a;
  if (lo < 0 || (b < 0 && lo === 0)) return EVERYTHING;
  const slope = (x: number) => (x === 0 ? Infinity : x === Infinity ? 0 : Math.abs(b) * (x ** b / x));
  const [least, most] = hull(about(slope(lo)), about(slope(hi)));
  return b > 0 ? [Math.max(least, 0), most] : [-most, Math.min(-least, 0)];
}

/** aᵇ for a > 0, where it is exp(b·log a): extremes lie in corners. */
function powerBox(a: Interval, b: Interval): Interval {
  if (!(a[0] > 0)) return EVERYTHING;
  const corners = a.flatMap((x) => b.map((y) => corner(x, y)));
  return [Math.max(Math.min(...corners.map((c) => c[0])), 0), Math.max(...corners.map((c) => c[1]))];
}

/** Towards infinite ends 1^∞ and ∞⁰ are between the neighbouring corners. */
function corner(a: number, b: number): Interval {
  if (a === 1 || b === 0) return [1, 1];
  return Number.isFinite(a) && Number.isFinite(b) ? about(power(a, b)) : [a ** b, a ** b];
}

function isPoint([lo, hi]: Interval): boolean {
  return lo === hi;
}

export const powerFunction: BinaryFunction = {
  value: power,
  slopeA: (a, b) => (b === 0 ? 0 : b * power(a, b - 1)),
  slopeB: (a, b) => (a > 0 ? Math.log(a) * a ** b : 0),
  image: (a, b) => (isPoint(b) ? powerAt(a, b[0]) : powerBox(a, b)),
  slopes: (a, b) => [
    isPoint(b) ? powerSlopeAt(a, b[0]) : product(b, powerBox(a, sum(b, [-1, -1]))),
    a[0] > 0 ? product(log.image(...a), powerBox(a, b)) : EVERYTHING,
  ],
};

/** True when a stays between two multiples of c, where the remainder is a less a constant. */
function inOnePeriod([lo, hi]: Interval, c: number): boolean {
  const period = Math.abs(c);
  const width = roundUp(hi - lo);
  if (lo >= 0) return roundUp((lo % period) + width) < period;
  if (hi <= 0) return roundUp((-hi % period) + width) < period;
  return -lo < period && hi < period;
}

/** C's fmod: a less the multiple of b towards 0, with the sign of a. */
export const remainderFunction: BinaryFunction = {
  value: (a, b) => a % b,
  slopeA: () => 1,
  slopeB: (a, b) => -Math.trunc(a / b),
  image: (a, b) => {
    if (holds(b, 0)) return EVERYTHING;
    if (isPoint(b) && inOnePeriod(a, b[0])) return [a[0] % b[0], a[1] % b[0]];
    const most = Math.max(Math.abs(b[0]), Math.abs(b[1]));
    return [Math.max(Math.min(a[0], 0), -most), Math.min(Math.max(a[1], 0), most)];
  },
  slopes: (a, b) => [isPoint(b) && inOnePeriod(a, b[0]) ? [1, 1] : EVERYTHING, EVERYTHING],
};

/** A comparison: decided over a box or not. */
function comparison(
  value: (a: number, b: number) => boolean,
  decided: (a: Interval, b: Interval) => boolean | undefined,
): BinaryFunction {
  return {
    value: (a, b) => (value(a, b) ? 1 : 0),
    slopeA: () => 0,
    slopeB: () => 0,
    image: (a, b) => truth(decided(a, b)),
    slopes: (a, b) =>
      decided(a, b) === undefined
        ? [EVERYTHING, EVERYTHING]
        : [
            [0, 0],
            [0, 0],
          ],
  };
}

const above = (a: Interval, b: Interval) => (a[0] > b[1] ? true : a[1] <= b[0] ? false : undefined);
const atLeast = (a: Interval, b: Interval) => (a[0] >= b[1] ? true : a[1] < b[0] ? false : undefined);

export const comparisons = {
  Greater: comparison((a, b) => a > b, above),
  GreaterOrEqual: comparison((a, b) => a >= b, atLeast),
  Less: comparison(
    (a, b) => a < b,
    (a, b) => above(b, a),
  ),
  LessOrEqual: comparison(
    (a, b) => a <= b,
    (a, b) => atLeast(b, a),
  ),
  Equal: comparison(
    (a, b) => a === b,
    (a, b) => {
      if (a[0] > b[1] || a[1] < b[0]) return false;
      return isPoint(a) && isPoint(b) ? true : undefined;
    },
  ),
} as const;

/** PRelu: a above 0, b·a below. */
export const parametricRelu: BinaryFunction = {
  value: (a, b) => (a > 0 ? a : a * b),
  slopeA: (a, b) => (a > 0 ? 1 : b),
  slopeB: (a) => Math.min(a, 0),
  image: (a, b) =>
    parts(
      a,
      (above) => above,
      (below) => product(below, b),
    ),
  slopes: (a, b) => [
    parts(
      a,
      () => [1, 1],
      () => b,
    ),
    [Math.min(a[0], 0), Math.min(a[1], 0)],
  ],
};

/** The hull of what a function does above 0 and below, where the interval reaches. */
function parts(
  [lo, hi]: Interval,
  above: (a: Interval) => Interval,
  below: (a: Interval) => Interval,
): Interval {
  if (lo >= 0 && hi > 0) return above([lo, hi]);
  if (hi <= 0 && lo < 0) return below([lo, hi]);
  return hull(above([0, Math.max(hi, 0)]), below([Math.min(lo, 0), 0]));
}
