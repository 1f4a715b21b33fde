import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type BinaryFunction, ofSum } from "./broadcast-function.ts";
import type { Interval } from "./operation.ts";
import {
  comparisons,
  parametricRelu,
  powerFunction,
  productFunction,
  quotientFunction,
  remainderFunction,
} from "./scalar-binary.ts";
import { product, quotient, roundDown, roundUp, sum } from "./scalar-interval.ts";
import { gelu } from "./smooth.ts";

const FUNCTIONS: Readonly<Record<string, BinaryFunction>> = {
  product: productFunction,
  quotient: quotientFunction,
  power: powerFunction,
  remainder: remainderFunction,
  prelu: parametricRelu,
  "gelu of a sum": ofSum(gelu),
  ...comparisons,
};

/** Ordinary, tiny, huge and special numbers. */
const numbers = fc.oneof(
  { weight: 4, arbitrary: fc.double({ min: -5, max: 5, noNaN: true }) },
  { weight: 2, arbitrary: fc.double({ min: 0, max: 4, noNaN: true }) },
  { weight: 1, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }) },
  { weight: 2, arbitrary: fc.integer({ min: -5, max: 5 }) },
  { weight: 1, arbitrary: fc.constantFrom(0, -0, 0.5, -0.5, 1e-320, 1e308, -1e308, 1.5, 0.1) },
);

/** An interval, sometimes a point or without an end, and two points in it. */
const inside = fc
  .tuple(fc.array(numbers, { minLength: 4, maxLength: 4 }), fc.integer({ min: 0, max: 5 }))
  .map(([xs, kind]) => {
    const [lo, a, b, hi] = [...xs].sort((p, q) => p - q);
    if (kind === 0) return { interval: [a, a] as Interval, a, b: a };
    return { interval: [kind === 1 ? -Infinity : lo, kind === 2 ? Infinity : hi] as Interval, a, b };
  });

/** Where a function of real numbers is defined. */
function defined(y: number): boolean {
  return !Number.isNaN(y);
}

describe.each(Object.entries(FUNCTIONS))("%s", (_name, f) => {
  it("holds its values in its images", () => {
    fc.assert(
      fc.property(inside, inside, (p, q) => {
        const y = f.value(p.a, q.a);
        if (!defined(y)) return;
        const [least, most] = f.image(p.interval, q.interval);
        expect(least).toBeLessThanOrEqual(y);
        expect(most).toBeGreaterThanOrEqual(y);
      }),
      { numRuns: 1500, seed: 1 },
    );
  });

  it("moves by no more than its slopes allow", () => {
    fc.assert(
      fc.property(inside, inside, (p, q) => {
        const ends = [f.value(p.a, q.a), f.value(p.b, q.b)];
        if (!ends.every(Number.isFinite)) return;
        const slopes = f.slopes(p.interval, q.interval);
        const moves = [Math.abs(p.b - p.a), Math.abs(q.b - q.a)];
        const allowed = slopes.map(([least, most], k) =>
          moves[k] === 0 ? 0 : Math.max(Math.abs(least), Math.abs(most)) * moves[k],
        );
        const slack = 2 ** -44 * Math.max(...ends.map(Math.abs)) + 1e-300;
        expect(Math.abs(ends[1] - ends[0])).toBeLessThanOrEqual(
          (allowed[0] + allowed[1]) * (1 + 1e-12) + slack,
        );
      }),
      { numRuns: 1500, seed: 2 },
    );
  });

  it("holds its derivatives between its slopes", () => {
    fc.assert(
      fc.property(inside, inside, (p, q) => {
        const [a, b] = [p.a, q.a];
        const strictly = p.interval[0] < a && a < p.interval[1] && q.interval[0] < b && b < q.interval[1];
        if (!strictly || !Number.isFinite(f.value(a, b))) return;
        const slopes = f.slopes(p.interval, q.interval);
        [f.slopeA(a, b), f.slopeB(a, b)].forEach((slope, k) => {
          if (!Number.isFinite(slope)) return;
          expect(slopes[k][0]).toBeLessThanOrEqual(slope);
          expect(slopes[k][1]).toBeGreaterThanOrEqual(slope);
        });
      }),
      { numRuns: 1000, seed: 3 },
    );
  });
});

/** A finite float64 as n·2ᵉ, n whole. */
function exact(x: number): { readonly n: bigint; readonly e: number } {
  let e = 0;
  let scaled = x;
  while (!Number.isInteger(scaled)) {
    scaled *= 2 ** 20;
    e -= 20;
  }
  return { n: BigInt(scaled), e };
}

/** a·2ᵉ ≤ b·2ᶠ, for whole a and b. */
function atMost(a: bigint, e: number, b: bigint, f: number): boolean {
  return e >= f ? a << BigInt(e - f) <= b : a <= b << BigInt(f - e);
}

describe("interval arithmetic", () => {
  it("holds the exact result of one operation", () => {
    const ordinary = fc
      .double({ min: -1e9, max: 1e9, noNaN: true })
      .filter((x) => x === 0 || Math.abs(x) > 1e-120);
    fc.assert(
      fc.property(ordinary, ordinary, (x, y) => {
        const [a, b] = [exact(x), exact(y)];
        const e = Math.min(a.e, b.e);
        const added = (a.n << BigInt(a.e - e)) + (b.n << BigInt(b.e - e));
        const results = [
          [sum([x, x], [y, y]), added, e],
          [product([x, x], [y, y]), a.n * b.n, a.e + b.e],
        ] as const;
        for (const [[lo, hi], n, places] of results) {
          const [below, above] = [exact(lo), exact(hi)];
          expect(atMost(below.n, below.e, n, places)).toBe(true);
          expect(atMost(n, places, above.n, above.e)).toBe(true);
        }
        if (y === 0) return;
        // lo ≤ x/y ≤ hi, multiplied by y.
        const [lo, hi] = quotient([x, x], [y, y]).map(exact);
        const [low, high] = y > 0 ? [lo, hi] : [hi, lo];
        expect(atMost(low.n * b.n, low.e + b.e, a.n, a.e)).toBe(true);
        expect(atMost(a.n, a.e, high.n * b.n, high.e + b.e)).toBe(true);
      }),
      { numRuns: 1000, seed: 4 },
    );
  });

  it("rounds outward by an ulp or two, and keeps exact numbers exact", () => {
    fc.assert(
      fc.property(numbers, (x) => {
        expect(roundDown(x)).toBeLessThan(x);
        expect(roundUp(x)).toBeGreaterThan(x);
        // The number above the largest ones is ∞.
        if (Math.abs(x) > Number.MAX_VALUE * (1 - 2 ** -50)) return;
        expect(roundUp(x) - roundDown(x)).toBeLessThanOrEqual(8 * 2 ** -52 * Math.abs(x) + 1e-322);
      }),
    );
    expect(product([-1, 1], [0.3, 7])).toEqual([-7, 7]);
    expect(sum([0.1, 0.2], [0, 0])).toEqual([0.1, 0.2]);
  });

  it("takes infinite ends for numbers without a bound", () => {
    expect(product([0, 0], [-Infinity, Infinity])).toEqual([0, 0]);
    expect(product([0, 2], [1, Infinity])).toEqual([0, Infinity]);
    expect(quotient([1, 1], [1, Infinity])).toEqual([0, roundUp(1)]);
    expect(quotient([-1, 1], [-0, 2])).toEqual([-Infinity, Infinity]);
    expect(sum([1, Infinity], [-Infinity, 2])).toEqual([-Infinity, Infinity]);
    expect(roundDown(Infinity)).toBe(Number.MAX_VALUE);
  });
});

describe("tightness", () => {
  it.each([
    ["a whole power", powerFunction, [-2, 1], [2, 2], [0, 4]],
    ["an odd power", powerFunction, [-2, 1], [3, 3], [-8, 1]],
    ["a root", powerFunction, [4, 9], [0.5, 0.5], [2, 3]],
    ["an inverse", powerFunction, [-4, -2], [-1, -1], [-0.5, -0.25]],
    ["powers of a box", powerFunction, [0.5, 2], [-1, 3], [0.125, 8]],
    ["a remainder in one period", remainderFunction, [7.25, 7.5], [3, 3], [1.25, 1.5]],
    ["a remainder over several", remainderFunction, [7, 10], [3, 3], [0, 3]],
    ["a remainder over one jump", remainderFunction, [2.9, 3.1], [3, 3], [0, 3]],
    ["a negative remainder over one jump", remainderFunction, [-3.1, -2.9], [3, 3], [-3, 0]],
    ["a small remainder", remainderFunction, [-1, 0.5], [3, 3], [-1, 0.5]],
    ["slopes below 0", parametricRelu, [-2, 1], [-1, 0.5], [-1, 2]],
  ] as const)("%s", (_title, f, a, b, expected) => {
    const image = f.image([...a], [...b]);
    for (const k of [0, 1]) expect(image[k]).toBeCloseTo(expected[k], 10);
  });

  it.each([
    ["a square", [-2, 1], [2, 2], [-4, 2]],
    ["a root", [4, 9], [0.5, 0.5], [1 / 6, 1 / 4]],
    ["a cube root", [8, 27], [1 / 3, 1 / 3], [1 / 27, 1 / 12]],
    ["an inverse root", [1, 4], [-0.5, -0.5], [-0.5, -1 / 16]],
  ] as const)("slopes of %s", (_title, a, b, expected) => {
    const [inA] = powerFunction.slopes([...a], [...b]);
    for (const k of [0, 1]) expect(inA[k]).toBeCloseTo(expected[k], 10);
  });
});
