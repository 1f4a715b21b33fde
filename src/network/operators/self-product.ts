import type { OnnxNode } from "../../formats/onnx/types.ts";
import { floatAttribute } from "../attributes.ts";
import { unary } from "./activation.ts";
import type { Interval, ScalarFunction } from "./operation.ts";
import type { OperatorRules } from "./rule.ts";
import { compose } from "./scalar.ts";
import { hull, product, quotient, roundDown, roundUp, sum } from "./scalar-interval.ts";
import { gelu } from "./smooth.ts";

function point(x: number): Interval {
  return [x, x];
}

/** Where slope·x + offset passes a level, enclosed. */
function crossing(level: number, slope: number, offset: number): Interval {
  return quotient(sum(point(level), point(-offset)), point(slope));
}

/**
 * x·clip(slope·x + offset, low, high), slope > 0: low·x, then a parabola, then high·x. HardSwish is slope 1/6, offset
 * ½ between 0 and 1; exporters write slope 1, offset 3 between 0 and 6, and divide by 6 afterwards.
 */
export function clippedProduct(slope: number, offset: number, low: number, high: number): ScalarFunction {
  const start = crossing(low, slope, offset);
  const end = crossing(high, slope, offset);
  const vertex = quotient(point(-offset), point(2 * slope));
  const lowest = quotient(product(point(-offset), point(offset)), point(4 * slope));
  const factor = (x: number) => Math.min(high, Math.max(low, slope * x + offset));
  const parabola = (x: number) => product(point(x), sum(product(point(slope), point(x)), point(offset)));
  const bend = (x: number) => sum(product(point(2 * slope), point(x)), point(offset));
  // Knots are known to an interval; near one, both neighbours count.
  const pieces = (
    lo: number,
    hi: number,
    line: (k: number, a: number, b: number) => Interval,
    curve: (a: number, b: number) => Interval,
  ) => {
    const found: Interval[] = [];
    if (lo <= start[1]) found.push(line(low, lo, Math.min(hi, start[1])));
    const [a, b] = [Math.max(lo, start[0]), Math.min(hi, end[1])];
    if (a <= b) found.push(curve(a, b));
    if (hi >= end[0]) found.push(line(high, Math.max(lo, end[0]), hi));
    return found.reduce(hull);
  };
  return {
    value: (x) => x * factor(x),
    slope(x) {
      const t = slope * x + offset;
      return t <= low ? low : t >= high ? high : 2 * slope * x + offset;
    },
    image: (lo, hi) =>
      pieces(
        lo,
        hi,
        (k, a, b) => product(point(k), [a, b]),
        (a, b) => {
          const ends = hull(parabola(a), parabola(b));
          return a <= vertex[1] && b >= vertex[0] ? hull(ends, lowest) : ends;
        },
      ),
    slopes: (lo, hi) =>
      pieces(
        lo,
        hi,
        (k) => point(k),
        (a, b) => hull(bend(a), bend(b)),
      ),
  };
}

/** A line through 0 whose slope is known to an interval. */
function lineBetween(slope: Interval): ScalarFunction {
  const middle = slope[0] / 2 + slope[1] / 2;
  return {
    value: (x) => middle * x,
    slope: () => middle,
    image: (lo, hi) => product(slope, [lo, hi]),
    slopes: () => slope,
  };
}

/**
 * outer·x·(1 + erf(scale·x)) = (2·outer/s)·GELU(s·x) with s = √2·scale, since 1 + erf(t/√2) = 2Φ(t).
 * @param scale enclosed, positive.
 */
export function erfProduct(scale: Interval, outer: number): ScalarFunction {
  const s = product([roundDown(Math.SQRT2), roundUp(Math.SQRT2)], scale);
  return compose(lineBetween(quotient(point(2 * outer), s)), compose(gelu, lineBetween(s)));
}

function clippedOf(node: OnnxNode): ScalarFunction | string {
  const [slope, offset, low, high] = ["slope", "offset", "low", "high"].map((name) =>
    floatAttribute(node, name),
  );
  const known = slope !== undefined && offset !== undefined && low !== undefined && high !== undefined;
  return known ? clippedProduct(slope, offset, low, high) : "its numbers are missing";
}

function erfOf(node: OnnxNode): ScalarFunction | string {
  const outer = floatAttribute(node, "outer") ?? 1;
  const [factor, divisor] = [floatAttribute(node, "factor"), floatAttribute(node, "divisor")];
  const scale = factor !== undefined ? point(factor) : quotient(point(1), point(divisor ?? 1));
  return erfProduct(scale, outer);
}

/** Products of a value with a function of itself, as single nodes (`network/self-products.ts`). */
export const selfProductRules: OperatorRules = {
  ClippedProduct: unary(clippedOf),
  ErfProduct: unary(erfOf),
};
