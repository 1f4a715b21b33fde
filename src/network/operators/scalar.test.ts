import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as pieces from "./activation-pieces.ts";
import type { ScalarFunction } from "./operation.ts";
import { compose, divided, level, line, smooth } from "./scalar.ts";
import * as activations from "./smooth.ts";
import * as elementary from "./smooth-elementary.ts";

const ALL = [-Infinity, Infinity] as const;

/** Every function, with where it is defined and the slopes it is known to have there. */
const FUNCTIONS: Readonly<
  Record<string, readonly [ScalarFunction, readonly [number, number], readonly [number, number]]>
> = {
  relu: [pieces.relu, ALL, [0, 1]],
  leaky: [pieces.leaky(0.1), ALL, [0.1, 1]],
  "leaky, falling": [pieces.leaky(-2), ALL, [-2, 1]],
  abs: [pieces.abs, ALL, [-1, 1]],
  clip: [pieces.clip(-1, 2.5), ALL, [0, 1]],
  "clip from below": [pieces.clip(0.1, Infinity), ALL, [0, 1]],
  "clip from above": [pieces.clip(-Infinity, 6), ALL, [0, 1]],
  "clip at one point": [pieces.clip(3, 3), ALL, [0, 0]],
  elu: [pieces.elu(1), ALL, [0, 1]],
  "elu 3": [pieces.elu(3), ALL, [0, 3]],
  "elu, falling": [pieces.elu(-0.5), ALL, [-0.5, 1]],
  selu: [pieces.selu(1.6732631921768188, 1.0507010221481323), ALL, [0, 1.7581]],
  celu: [pieces.celu(0.3), ALL, [0, 1]],
  thresholded: [pieces.thresholded(1), ALL, ALL],
  "thresholded below": [pieces.thresholded(-1), ALL, ALL],
  "thresholded at 0": [pieces.thresholded(0), ALL, [0, 1]],
  shrink: [pieces.shrink(0.5, 0), ALL, ALL],
  "soft shrink": [pieces.shrink(0.5, 0.5), ALL, [0, 1]],
  hardSigmoid: [pieces.hardSigmoid(0.2, 0.5), ALL, [0, 0.2]],
  "hardSigmoid, falling": [pieces.hardSigmoid(-0.7, 0.1), ALL, [-0.7, 0]],
  hardSwish: [pieces.hardSwish, ALL, [-0.5, 1.5]],
  sign: [pieces.sign, ALL, [0, Infinity]],
  floor: [pieces.floor, ALL, [0, Infinity]],
  ceil: [pieces.ceil, ALL, [0, Infinity]],
  round: [pieces.round, ALL, [0, Infinity]],
  not: [pieces.not, ALL, ALL],
  line: [line(-3, 0.1), ALL, [-3, -3]],
  divided: [divided(3), ALL, [0.333333, 0.333334]],
  level: [level(2), ALL, [0, 0]],
  composed: [compose(pieces.clip(-1, 1), line(0.3, 0.7)), ALL, [0, 0.3]],
  sigmoid: [activations.sigmoid, ALL, [0, 0.25]],
  tanh: [activations.tanh, ALL, [0, 1]],
  softplus: [activations.softplus, ALL, [0, 1]],
  softsign: [activations.softsign, ALL, [0, 1]],
  erf: [activations.erfFunction, ALL, [0, 1.12838]],
  swish: [activations.swish(1), ALL, [-0.09984, 1.09984]],
  "swish 1.702": [activations.swish(1.702), ALL, [-0.09984, 1.09984]],
  "swish, mirrored": [activations.swish(-0.3), ALL, [-0.09984, 1.09984]],
  gelu: [activations.gelu, ALL, [-0.128905, 1.128905]],
  geluTanh: [activations.geluTanh, ALL, [-0.128994, 1.128994]],
  mish: [activations.mish, ALL, [-0.112527, 1.088499]],
  exp: [elementary.exp, ALL, [0, Infinity]],
  log: [elementary.log, [0, Infinity], [0, Infinity]],
  sqrt: [elementary.sqrt, [0, Infinity], [0, Infinity]],
  "reciprocal above": [elementary.reciprocal, [1e-300, Infinity], [-Infinity, 0]],
  "reciprocal below": [elementary.reciprocal, [-Infinity, -1e-300], [-Infinity, 0]],
  sinh: [elementary.sinh, ALL, [1, Infinity]],
  cosh: [elementary.cosh, ALL, ALL],
  asin: [elementary.asin, [-1, 1], [1, Infinity]],
  acos: [elementary.acos, [-1, 1], [-Infinity, -1]],
  atan: [elementary.atan, ALL, [0, 1]],
  asinh: [elementary.asinh, ALL, [0, 1]],
  acosh: [elementary.acosh, [1, Infinity], [0, Infinity]],
  atanh: [elementary.atanh, [-1, 1], [1, Infinity]],
  sin: [elementary.sin, ALL, [-1, 1]],
  cos: [elementary.cos, ALL, [-1, 1]],
  tan: [elementary.tan, ALL, ALL],
};

const TABLE = Object.entries(FUNCTIONS).map(
  ([name, [f, domain, slopes]]) => [name, f, domain, slopes] as const,
);

/** Ordinary, tiny, huge and special numbers. */
const numbers = fc.oneof(
  { weight: 4, arbitrary: fc.double({ min: -8, max: 8, noNaN: true }) },
  { weight: 2, arbitrary: fc.double({ min: -60, max: 60, noNaN: true }) },
  { weight: 1, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(0, -0, 1, -1, 3, -3, 0.5, -0.5, 1e-320, -5e-324, 1.5, 1000, -800, 1e308),
  },
  { weight: 1, arbitrary: fc.integer({ min: -40, max: 40 }).map((k) => (k * Math.PI) / 2) },
);

function within([least, most]: readonly [number, number], x: number): number {
  return Math.min(Math.max(x, least), most);
}

/** What rounding may have added to a float64 value itself. */
function slack(...values: readonly number[]): number {
  return 2 ** -44 * values.reduce((m, v) => Math.max(m, Math.abs(v)), 0) + 1e-300;
}

describe.each(TABLE)("%s", (_name, f, domain, globalSlopes) => {
  const points = (n: number) =>
    fc
      .array(numbers, { minLength: n, maxLength: n })
      .map((xs) => xs.map((x) => within(domain, x)).sort((a, b) => a - b));

  it("holds its values in its images", () => {
    fc.assert(
      fc.property(points(3), fc.boolean(), fc.boolean(), ([lo, x, hi], low, high) => {
        const [least, most] = f.image(low ? domain[0] : lo, high ? domain[1] : hi);
        const y = f.value(x);
        expect(least).toBeLessThanOrEqual(y);
        expect(most).toBeGreaterThanOrEqual(y);
      }),
      { numRuns: 250, seed: 1 },
    );
  });

  it("holds its secants between its slopes", () => {
    fc.assert(
      fc.property(points(4), fc.boolean(), fc.boolean(), ([lo, x, y, hi], low, high) => {
        const [least, most] = f.slopes(low ? domain[0] : lo, high ? domain[1] : hi);
        expect(least).toBeLessThanOrEqual(most);
        const [fx, fy] = [f.value(x), f.value(y)];
        const [rise, run] = [fy - fx, y - x];
        if (!Number.isFinite(rise) || !Number.isFinite(run) || run === 0) return;
        if (Number.isFinite(least)) expect(rise).toBeGreaterThanOrEqual(least * run - slack(fx, fy));
        if (Number.isFinite(most)) expect(rise).toBeLessThanOrEqual(most * run + slack(fx, fy));
      }),
      { numRuns: 250, seed: 2 },
    );
  });

  it("holds its derivative between its slopes", () => {
    fc.assert(
      fc.property(points(3), ([lo, x, hi]) => {
        if (!(lo < x && x < hi)) return;
        const [least, most] = f.slopes(lo, hi);
        const slope = f.slope(x);
        expect(least).toBeLessThanOrEqual(slope);
        expect(most).toBeGreaterThanOrEqual(slope);
      }),
      { numRuns: 250, seed: 3 },
    );
  });

  it("knows its slopes everywhere", () => {
    const [least, most] = f.slopes(...domain);
    if (domain === ALL) {
      expect(least).toBeGreaterThanOrEqual(globalSlopes[0]);
      expect(most).toBeLessThanOrEqual(globalSlopes[1]);
      expect(least === globalSlopes[0] || Math.abs(least - globalSlopes[0]) < 1e-6).toBe(true);
      expect(most === globalSlopes[1] || Math.abs(most - globalSlopes[1]) < 1e-6).toBe(true);
    }
  });

  it("is tight at a point", () => {
    fc.assert(
      fc.property(fc.double({ min: -8, max: 8, noNaN: true }), (at) => {
        const x = within(domain, at);
        const y = f.value(x);
        const [least, most] = f.image(x, x);
        if (!Number.isFinite(y) || jumpsAt(f, x)) return;
        // Far out the rounding of its argument moves an exponential by more.
        expect(most - least).toBeLessThanOrEqual((Math.abs(x) < 4 ? 1e-13 : 1e-12) * Math.abs(y) + 1e-300);
        const [low, high] = f.slopes(x, x);
        const slope = f.slope(x);
        if (!Number.isFinite(low) || !Number.isFinite(high) || high - low > 0.5 || Math.abs(x) < 1e-6) return;
        expect(high - low).toBeLessThanOrEqual(2e-13 * Math.max(1, Math.abs(slope)));
      }),
      { numRuns: 200, seed: 4 },
    );
  });
});

/** A jump's image at the point itself holds both sides. */
function jumpsAt(f: ScalarFunction, x: number): boolean {
  const [least, most] = f.slopes(x, x);
  return !Number.isFinite(most - least);
}

/** How much wider than need be the slopes of an interval are, by sampling. */
function looseness(f: ScalarFunction, lo: number, hi: number): number {
  const [least, most] = f.slopes(lo, hi);
  const count = 4000;
  const slopes = Array.from({ length: count + 1 }, (_, k) => f.slope(lo + ((hi - lo) * k) / count));
  const [low, high] = [Math.min(...slopes), Math.max(...slopes)];
  return Math.max(low - least, most - high);
}

describe("intervals that are neither points nor everything", () => {
  it.each(TABLE.filter(([, , , [least, most]]) => Number.isFinite(least) && Number.isFinite(most)))(
    "%s: slopes and image as tight as sampling shows",
    (_name, f) => {
      const random = Array.from({ length: 60 }, (_, k) => [
        Math.sin(k * 7.3) * 4,
        Math.abs(Math.cos(k * 3.1)) * 3 + 0.01,
      ]);
      for (const [lo, width] of random) {
        const hi = lo + width;
        expect(looseness(f, lo, hi)).toBeLessThan(2e-3);
        const [least, most] = f.image(lo, hi);
        const values = Array.from({ length: 4001 }, (_, k) => f.value(lo + (width * k) / 4000));
        expect(Math.min(...values) - least).toBeLessThan(4e-3);
        expect(most - Math.max(...values)).toBeLessThan(4e-3);
      }
    },
  );

  it("says nothing where a function is not defined", () => {
    for (const f of [elementary.log, elementary.sqrt, elementary.acosh, elementary.reciprocal]) {
      expect(f.image(-1, 1)).toEqual(ALL);
      expect(f.slopes(-1, 1)).toEqual(ALL);
    }
    for (const f of [elementary.asin, elementary.acos, elementary.atanh]) {
      expect(f.image(-1.5, 0)).toEqual(ALL);
      expect(f.slopes(0, 1.5)).toEqual(ALL);
    }
    expect(elementary.tan.image(1, 2)).toEqual(ALL);
    expect(elementary.tan.slopes(1, 2)).toEqual(ALL);
  });

  it("is steep without limit at the ends of domains, −0 included", () => {
    expect(elementary.sqrt.slopes(-0, 1)[1]).toBe(Infinity);
    expect(elementary.log.slopes(-0, 1)[1]).toBe(Infinity);
    expect(elementary.log.image(0, 1)[0]).toBe(-Infinity);
    expect(elementary.atanh.image(0, 1)[1]).toBe(Infinity);
  });

  it("is exact where straight pieces are", () => {
    expect(pieces.relu.image(-1, 0.3)).toEqual([0, 0.3]);
    expect(pieces.relu.slopes(-1, 0)).toEqual([0, 0]);
    expect(pieces.relu.slopes(0, 1)).toEqual([1, 1]);
    expect(pieces.relu.slopes(-1e-300, 1e-300)).toEqual([0, 1]);
    expect(pieces.relu.slopes(0, 0)).toEqual([0, 1]);
    expect(pieces.clip(-1, 1).image(-0.3, 5)).toEqual([-0.3, 1]);
    expect(pieces.abs.image(-0.1, 0.7)).toEqual([0, 0.7]);
    expect(pieces.floor.slopes(0.1, 0.9)).toEqual([0, 0]);
    expect(pieces.floor.slopes(0.1, 1)).toEqual([0, Infinity]);
    expect(activations.tanh.slopes(-1, 1)[1]).toBe(1);
    expect(activations.sigmoid.slopes(-1, 1)[1]).toBe(0.25);
  });

  it("keeps both sides of a jump at an end", () => {
    expect(pieces.thresholded(1).image(1, 2)).toEqual([0, 2]);
    expect(pieces.shrink(0.5, 0).image(0, 0.5)).toEqual([0, 0.5]);
  });

  it("does not let overflow pass for a finite bound", () => {
    const [least, most] = elementary.exp.image(710, 720);
    expect(Number.isFinite(least)).toBe(true);
    expect(most).toBe(Infinity);
    expect(elementary.exp.image(-Infinity, -800)[1]).toBeGreaterThan(0);
  });
});

describe("a planted error", () => {
  it("of a turn left out is found by values that leave the image", () => {
    const f = smooth({
      value: (x) => x * x,
      slope: (x) => 2 * x,
      ends: [Infinity, Infinity],
      slopeEnds: [-Infinity, Infinity],
    });
    expect(f.image(-1, 2)[0]).toBeGreaterThan(f.value(0));
  });
});
