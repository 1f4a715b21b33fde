import type { Interval, ScalarFunction } from "./operation.ts";
import { about, smooth } from "./scalar.ts";
import { EVERYTHING, hull, meet, negative, quotient } from "./scalar-interval.ts";

export const exp = smooth({
  value: Math.exp,
  slope: Math.exp,
  ends: [0, Infinity],
  slopeEnds: [0, Infinity],
  values: [0, Infinity],
  slopes: [0, Infinity],
});

export const log = smooth({
  value: Math.log,
  slope: (x) => 1 / x,
  ends: [-Infinity, Infinity],
  slopeEnds: [Infinity, 0],
  domain: [0, Infinity],
  slopes: [0, Infinity],
});

export const sqrt = smooth({
  value: Math.sqrt,
  slope: (x) => 0.5 / Math.sqrt(x),
  ends: [0, Infinity],
  slopeEnds: [Infinity, 0],
  domain: [0, Infinity],
  values: [0, Infinity],
  slopes: [0, Infinity],
});

/** 1/x; nothing is known of an interval with 0 in it. */
export const reciprocal: ScalarFunction = {
  value: (x) => 1 / x,
  slope: (x) => -1 / x / x,
  image: (lo, hi) => quotient([1, 1], [lo, hi]),
  slopes: (lo, hi) => quotient(quotient([-1, -1], [lo, hi]), [lo, hi]),
};

export const sinh = smooth({
  value: Math.sinh,
  slope: Math.cosh,
  ends: EVERYTHING,
  slopeEnds: [Infinity, Infinity],
  bends: [{ at: 0, value: 1 }],
  slopes: [1, Infinity],
});

export const cosh = smooth({
  value: Math.cosh,
  slope: Math.sinh,
  ends: [Infinity, Infinity],
  slopeEnds: EVERYTHING,
  turns: [{ at: 0, value: 1 }],
  values: [1, Infinity],
});

export const asin = smooth({
  value: Math.asin,
  slope: (x) => 1 / Math.sqrt((1 - x) * (1 + x)),
  ends: EVERYTHING,
  slopeEnds: EVERYTHING,
  bends: [{ at: 0, value: 1 }],
  domain: [-1, 1],
  slopes: [1, Infinity],
});

export const acos = smooth({
  value: Math.acos,
  slope: (x) => -1 / Math.sqrt((1 - x) * (1 + x)),
  ends: EVERYTHING,
  slopeEnds: EVERYTHING,
  bends: [{ at: 0, value: -1 }],
  domain: [-1, 1],
  slopes: [-Infinity, -1],
});

export const atan = smooth({
  value: Math.atan,
  slope: (x) => 1 / (1 + x * x),
  ends: [-1.5707963267949, 1.5707963267949],
  slopeEnds: [0, 0],
  bends: [{ at: 0, value: 1 }],
  values: [-1.5707963267949, 1.5707963267949],
  slopes: [0, 1],
});

export const asinh = smooth({
  value: Math.asinh,
  slope: (x) => 1 / Math.hypot(1, x),
  ends: EVERYTHING,
  slopeEnds: [0, 0],
  bends: [{ at: 0, value: 1 }],
  slopes: [0, 1],
});

export const acosh = smooth({
  value: Math.acosh,
  slope: (x) => 1 / Math.sqrt(x - 1) / Math.sqrt(x + 1),
  ends: [0, Infinity],
  slopeEnds: [Infinity, 0],
  domain: [1, Infinity],
  values: [0, Infinity],
  slopes: [0, Infinity],
});

export const atanh = smooth({
  value: Math.atanh,
  slope: (x) => 1 / (1 - x) / (1 + x),
  ends: EVERYTHING,
  slopeEnds: [Infinity, Infinity],
  bends: [{ at: 0, value: 1 }],
  domain: [-1, 1],
  slopes: [1, Infinity],
});

/** Larger arguments are not placed between multiples of π. */
const PLACED = 2 ** 30;

/** True when [lo, hi] may hold phase + k·period for some whole k; the margin covers how these are computed. */
function meets(lo: number, hi: number, phase: number, period: number): boolean {
  const margin = 2 ** -48 * (1 + Math.max(Math.abs(lo), Math.abs(hi)));
  const next = phase + period * Math.ceil((lo - margin - phase) / period);
  return next <= hi + 2 * margin;
}

/** The cosine over an interval, `ahead` quarter turns ahead of it. */
function wave(lo: number, hi: number, ahead: number, value: (x: number) => number): Interval {
  if (!(Math.max(Math.abs(lo), Math.abs(hi)) < PLACED)) return [-1, 1];
  let [least, most] = meet(hull(about(value(lo)), about(value(hi))), [-1, 1]);
  const crest = (-ahead * Math.PI) / 2;
  if (meets(lo, hi, crest, 2 * Math.PI)) most = 1;
  if (meets(lo, hi, crest + Math.PI, 2 * Math.PI)) least = -1;
  return [least, most];
}

export const sin: ScalarFunction = {
  value: Math.sin,
  slope: Math.cos,
  image: (lo, hi) => wave(lo, hi, -1, Math.sin),
  slopes: (lo, hi) => wave(lo, hi, 0, Math.cos),
};

export const cos: ScalarFunction = {
  value: Math.cos,
  slope: (x) => -Math.sin(x),
  image: (lo, hi) => wave(lo, hi, 0, Math.cos),
  slopes: (lo, hi) => negative(wave(lo, hi, -1, Math.sin)),
};

/** True when the tangent has no pole in [lo, hi]. */
function betweenPoles(lo: number, hi: number): boolean {
  const placed = Math.max(Math.abs(lo), Math.abs(hi)) < PLACED;
  return placed && !meets(lo, hi, Math.PI / 2, Math.PI);
}

function tanSlope(x: number): number {
  const t = Math.tan(x);
  return 1 + t * t;
}

export const tan: ScalarFunction = {
  value: Math.tan,
  slope: tanSlope,
  image: (lo, hi) => (betweenPoles(lo, hi) ? hull(about(Math.tan(lo)), about(Math.tan(hi))) : EVERYTHING),
  slopes: (lo, hi) => {
    if (!betweenPoles(lo, hi)) return EVERYTHING;
    const [least, most] = hull(about(tanSlope(lo)), about(tanSlope(hi)));
    return [meets(lo, hi, 0, Math.PI) ? 1 : Math.max(least, 1), most];
  },
};
