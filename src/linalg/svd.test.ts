import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OperatorError } from "./errors.ts";
import { RandomStream } from "./random.ts";
import { singularValueDecomposition, singularValuesSmall } from "./svd.ts";
import {
  assembled,
  gaussian,
  largestDifference,
  orthonormal,
  orthonormalityDefect,
} from "./testing/matrices.ts";

/** Everything a decomposition must satisfy; returns the largest error relative to σ₁. */
function checkDecomposition(a: Float64Array, rows: number, cols: number): { s: Float64Array; error: number } {
  const svd = singularValueDecomposition(a, rows, cols);
  const k = Math.min(rows, cols);
  expect(svd.s.length).toBe(k);
  for (let i = 0; i < k; i++) {
    expect(svd.s[i]).toBeGreaterThanOrEqual(0);
    if (i > 0) expect(svd.s[i]).toBeLessThanOrEqual(svd.s[i - 1]!);
  }
  expect(orthonormalityDefect(svd.u, rows, k)).toBeLessThan(3e-14);
  expect(orthonormalityDefect(svd.v, cols, k)).toBeLessThan(3e-14);
  expect(largestDifference(singularValuesSmall(a, rows, cols), svd.s)).toBeLessThanOrEqual(1e-14 * svd.s[0]!);
  const error = largestDifference(assembled(svd, rows, cols), a);
  return { s: svd.s, error: svd.s[0] === 0 ? error : error / svd.s[0]! };
}

describe("singular value decomposition", () => {
  test("recovers planted singular values", () => {
    const random = new RandomStream(1n);
    for (const [rows, cols] of [
      [40, 40],
      [64, 20],
      [20, 64],
      [1, 30],
      [30, 1],
      [1, 1],
    ] as const) {
      const k = Math.min(rows, cols);
      for (const value of [
        (i: number) => 1 / (1 + i),
        (i: number) => (i < 3 ? 2 : 1),
        (i: number) => 10 ** -i,
        (i: number) => (i < k / 2 ? 1 : 0),
      ]) {
        const s = Float64Array.from({ length: k }, (_, i) => value(i));
        const a = assembled(
          { u: orthonormal(random, rows, k), s, v: orthonormal(random, cols, k) },
          rows,
          cols,
        );
        const found = checkDecomposition(a, rows, cols);
        expect(found.error).toBeLessThan(1e-14);
        expect(largestDifference(found.s, s)).toBeLessThan(1e-14 * s[0]!);
      }
    }
  });

  test("has closed forms right", () => {
    expect(singularValuesSmall(Float64Array.of(3, 0, 0, -4), 2, 2)).toEqual(Float64Array.of(4, 3));
    expect(singularValuesSmall(Float64Array.of(-7), 1, 1)).toEqual(Float64Array.of(7));
    const golden = singularValuesSmall(Float64Array.of(1, 1, 0, 1), 2, 2);
    expect(golden[0]).toBeCloseTo((1 + Math.sqrt(5)) / 2, 14);
    expect(golden[1]).toBeCloseTo((Math.sqrt(5) - 1) / 2, 14);
  });

  test("finds tiny singular values of graded columns to their own precision", () => {
    const scales = [1, 1e-20, 1e-60, 1e-100];
    const q = orthonormal(new RandomStream(2n), 6, 4);
    const a = q.map((value, index) => value * scales[index % 4]!);
    const { s } = checkDecomposition(a, 6, 4);
    scales.forEach((scale, i) => {
      expect(s[i]! / scale).toBeCloseTo(1, 13);
    });
  });

  test("huge, tiny and denormal entries keep their relative accuracy", () => {
    const a = gaussian(new RandomStream(3n), 12, 9);
    const s = singularValuesSmall(a, 12, 9);
    for (const scale of [2 ** 990, 2 ** -900]) {
      const scaled = checkDecomposition(
        a.map((x) => x * scale),
        12,
        9,
      );
      expect(scaled.error).toBeLessThan(1e-14);
      expect(scaled.s).toEqual(s.map((x) => x * scale));
    }
    expect(singularValuesSmall(Float64Array.of(5e-324, 0, 0, 0), 2, 2)).toEqual(Float64Array.of(5e-324, 0));
    expect(singularValuesSmall(Float64Array.of(1.5e308, 0, 0, 1), 2, 2)[0]).toBe(1.5e308);
  });

  test("zero, rank one and repeated columns have orthonormal factors", () => {
    for (const [rows, cols] of [
      [5, 5],
      [7, 3],
      [3, 7],
    ] as const) {
      expect(checkDecomposition(new Float64Array(rows * cols), rows, cols)).toEqual({
        s: new Float64Array(Math.min(rows, cols)),
        error: 0,
      });
      const ones = checkDecomposition(new Float64Array(rows * cols).fill(1), rows, cols);
      expect(ones.error).toBeLessThan(1e-15);
      expect(ones.s[0]).toBeCloseTo(Math.sqrt(rows * cols), 13);
    }
  });

  test("hostile small matrices", () => {
    const entry = fc.oneof(
      fc.constantFrom(0, 0, 1, -1, 1e-8, 1e8, 1e-160, 1e-300, 1e150),
      fc.double({ min: -10, max: 10, noNaN: true }),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 1, max: 7 }),
        fc.array(entry, { minLength: 49, maxLength: 49 }),
        (rows, cols, entries) => {
          const a = Float64Array.from(entries.slice(0, rows * cols));
          expect(checkDecomposition(a, rows, cols).error).toBeLessThan(1e-14);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("a larger Gaussian matrix", () => {
    const a = gaussian(new RandomStream(4n), 130, 110);
    expect(checkDecomposition(a, 130, 110).error).toBeLessThan(1e-14);
  });

  test("refuses what is no matrix of finite numbers", () => {
    expect(() => singularValueDecomposition(new Float64Array(5), 2, 3)).toThrow(OperatorError);
    expect(() => singularValueDecomposition(new Float64Array(0), 0, 3)).toThrow(OperatorError);
    expect(() => singularValuesSmall(Float64Array.of(1, Number.NaN), 1, 2)).toThrow(/entry 1: got NaN/);
    expect(() => singularValuesSmall(Float64Array.of(Number.POSITIVE_INFINITY, 1), 1, 2)).toThrow(
      OperatorError,
    );
  });
});
