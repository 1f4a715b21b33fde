import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { orthonormalize } from "./bjorck.ts";
import { clipSingularValues } from "./clip.ts";
import { OperatorError } from "./errors.ts";
import { spectralNormGradient } from "./gradient.ts";
import { proximalMap, proximalSpectrum, type SpectralPenalty } from "./proximal.ts";
import { RandomStream } from "./random.ts";
import { singularValueDecomposition, singularValuesSmall } from "./svd.ts";
import {
  assembled,
  gaussian,
  largestDifference,
  orthonormalityDefect,
  transposed,
} from "./testing/matrices.ts";

const matrices = fc.record({
  seed: fc.bigInt({ min: 0n, max: 2n ** 60n }),
  rows: fc.integer({ min: 1, max: 9 }),
  cols: fc.integer({ min: 1, max: 9 }),
});

function distanceSquared(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0);
}

describe("clipping", () => {
  test("sets every singular value to min(σ, c) and keeps the singular vectors", () => {
    fc.assert(
      fc.property(matrices, fc.double({ min: 0, max: 5, noNaN: true }), ({ seed, rows, cols }, ceiling) => {
        const a = gaussian(new RandomStream(seed), rows, cols);
        const svd = singularValueDecomposition(a, rows, cols);
        const clipped = clipSingularValues(a, rows, cols, ceiling);
        const expected = assembled({ ...svd, s: svd.s.map((x) => Math.min(x, ceiling)) }, rows, cols);
        expect(largestDifference(clipped, expected)).toBeLessThan(1e-13);
      }),
      { numRuns: 200 },
    );
  });

  test("changes nothing below the ceiling, and refuses a negative one", () => {
    const a = gaussian(new RandomStream(6n), 5, 7);
    expect(clipSingularValues(a, 5, 7, 100)).toEqual(a);
    expect(() => clipSingularValues(a, 5, 7, -1)).toThrow(OperatorError);
    expect(() => clipSingularValues(a, 5, 7, Number.NaN)).toThrow(OperatorError);
  });
});

describe("proximal maps", () => {
  const penalties: Record<SpectralPenalty, (x: Float64Array, rows: number, cols: number) => number> = {
    "squared-spectral": (x, rows, cols) => singularValuesSmall(x, rows, cols)[0]! ** 2 / 2,
    spectral: (x, rows, cols) => singularValuesSmall(x, rows, cols)[0]!,
    frobenius: (x) => x.reduce((sum, value) => sum + value * value, 0) / 2,
  };

  for (const [name, penalty] of Object.entries(penalties)) {
    test(`${name}: no perturbation does better`, () => {
      const weights = fc.constantFrom(0, 1e-3, 0.1, 1, 7, 100);
      fc.assert(
        fc.property(
          matrices,
          weights,
          fc.double({ min: -6, max: 0, noNaN: true }),
          (shape, lambda, logStep) => {
            const { seed, rows, cols } = shape;
            const random = new RandomStream(seed);
            const a = gaussian(random, rows, cols);
            const best = proximalMap(a, rows, cols, name as SpectralPenalty, lambda);
            const cost = (x: Float64Array) => distanceSquared(x, a) / 2 + lambda * penalty(x, rows, cols);
            const least = cost(best);
            const directions = [
              ...Array.from({ length: 4 }, () => gaussian(random, rows, cols)),
              best,
              a,
              best.map((x) => -x),
            ];
            for (const direction of directions) {
              const moved = best.map((x, i) => x + 10 ** logStep * direction[i]!);
              expect(cost(moved)).toBeGreaterThanOrEqual(least * (1 - 1e-12));
            }
          },
        ),
        { numRuns: 150 },
      );
    });
  }

  test("closed forms on spectra", () => {
    const s = Float64Array.of(4, 3, 1, 0);
    expect(proximalSpectrum(s, "squared-spectral", 1)).toEqual(Float64Array.of(7 / 3, 7 / 3, 1, 0));
    expect(proximalSpectrum(s, "squared-spectral", 0)).toEqual(s);
    expect(proximalSpectrum(s, "spectral", 0.5)).toEqual(Float64Array.of(3.5, 3, 1, 0));
    expect(proximalSpectrum(s, "spectral", 3)).toEqual(Float64Array.of(2, 2, 1, 0));
    expect(proximalSpectrum(s, "spectral", 8)).toEqual(new Float64Array(4));
    expect(proximalSpectrum(s, "frobenius", 1)).toEqual(Float64Array.of(2, 1.5, 0.5, 0));
    expect(proximalSpectrum(Float64Array.of(2, 2), "spectral", 1)).toEqual(Float64Array.of(1.5, 1.5));
    for (const lambda of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => proximalSpectrum(s, "spectral", lambda)).toThrow(OperatorError);
    }
    expect(() => proximalMap(s, 3, 3, "frobenius", 1)).toThrow(OperatorError);
  });
});

describe("the gradient of σ₁", () => {
  test("agrees with differences", () => {
    const random = new RandomStream(7n);
    const [rows, cols] = [6, 5];
    const a = gaussian(random, rows, cols);
    const { u, v } = singularValueDecomposition(a, rows, cols);
    const first = (x: Float64Array) => x.filter((_, i) => i % cols === 0);
    const gradient = spectralNormGradient(first(u), first(v));
    const step = 1e-5;
    for (let i = 0; i < a.length; i++) {
      const shifted = (by: number) =>
        singularValuesSmall(
          a.map((x, j) => (i === j ? x + by : x)),
          rows,
          cols,
        )[0]!;
      expect((shifted(step) - shifted(-step)) / (2 * step)).toBeCloseTo(gradient[i]!, 8);
    }
  });
});

describe("Björck orthonormalisation", () => {
  test("finds the polar factor of wide and tall matrices, at every order", () => {
    const random = new RandomStream(8n);
    for (const [rows, cols] of [
      [6, 6],
      [5, 12],
      [12, 5],
      [1, 4],
      [4, 1],
      [1, 1],
    ] as const) {
      const a = gaussian(random, rows, cols);
      const svd = singularValueDecomposition(a, rows, cols);
      const polar = assembled({ ...svd, s: svd.s.map(() => 1) }, rows, cols);
      for (const order of [1, 2, 3, 6]) {
        const { matrix, defect, iterations } = orthonormalize(a, rows, cols, { order });
        expect(largestDifference(matrix, polar)).toBeLessThan(1e-12);
        expect(defect).toBeLessThan(1e-12);
        expect(iterations).toBeLessThan(40);
        const tall = rows >= cols ? matrix : transposed(matrix, rows, cols);
        expect(orthonormalityDefect(tall, Math.max(rows, cols), Math.min(rows, cols))).toBeLessThan(1e-12);
      }
    }
  });

  test("the scale of the matrix does not matter, and the defect never grows", () => {
    const a = gaussian(new RandomStream(9n), 8, 10);
    for (const scale of [1e300, 1e-300, -1]) {
      let before = Number.POSITIVE_INFINITY;
      for (let iterations = 0; iterations < 12; iterations++) {
        const scaled = a.map((x) => x * scale);
        const { defect } = orthonormalize(scaled, 8, 10, { iterations });
        expect(defect).toBeLessThan(before + 1e-13);
        before = defect;
        const norms = singularValuesSmall(orthonormalize(scaled, 8, 10, { iterations }).matrix, 8, 10);
        expect(norms[0]).toBeLessThan(1 + 1e-12);
      }
      expect(before).toBeLessThan(0.5);
    }
  });

  test("one step multiplies by the series of (1 − q)^−½ up to its order", () => {
    const q = 0.75;
    const terms = [1, q / 2, (3 / 8) * q ** 2, (5 / 16) * q ** 3, (35 / 128) * q ** 4];
    for (const order of [1, 2, 3, 4]) {
      const { matrix } = orthonormalize(Float64Array.of(2, 0, 0, 1), 2, 2, { order, iterations: 1 });
      const series = terms.slice(0, order + 1).reduce((sum, term) => sum + term, 0);
      expect(matrix[0]).toBeCloseTo(1, 13);
      expect(matrix[3]).toBeCloseTo(0.5 * series, 13);
    }
  });

  test("a rank-deficient matrix shows its defect", () => {
    expect(orthonormalize(new Float64Array(6), 2, 3).defect).toBe(Math.SQRT2);
    expect(orthonormalize(new Float64Array(6).fill(1), 2, 3).defect).toBeCloseTo(1, 12);
  });

  test("refuses what makes no sense", () => {
    const a = gaussian(new RandomStream(10n), 2, 3);
    expect(() => orthonormalize(a, 3, 3)).toThrow(OperatorError);
    expect(() => orthonormalize(a, 2, 3, { order: 0 })).toThrow(OperatorError);
    expect(() => orthonormalize(a, 2, 3, { iterations: -1 })).toThrow(OperatorError);
    expect(() => orthonormalize(Float64Array.of(1, Number.NaN), 1, 2)).toThrow(OperatorError);
  });
});
