import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkPart } from "../testing/check-operation.ts";
import { largestSingularValue } from "../testing/linear.ts";
import { axesPart, axisMatrix, runningSumNorm, schurNorm, summedPart, summingMatrices } from "./sum-parts.ts";

const value = fc.oneof(fc.double({ min: -2, max: 2, noNaN: true }), fc.constantFrom(0, 1, 1 / 3));
const matrix = (rows: number, cols: number) =>
  fc.array(fc.array(value, { minLength: cols, maxLength: cols }), { minLength: rows, maxLength: rows });

/** The axis matrix of an explicit one, zeros left out. */
const sparse = (rows: readonly (readonly number[])[], cols: number) =>
  axisMatrix(
    rows.map((row) => row.flatMap((v, i) => (v === 0 ? [] : [[i, v] as const]))),
    cols,
    0,
  );

it("matrices along axes act as their Kronecker product", () => {
  fc.assert(
    fc.property(matrix(3, 2), matrix(2, 4), (a, b) => {
      const part = axesPart(
        [2, 2, 4],
        new Map([
          [0, sparse(a, 2)],
          [2, sparse(b, 4)],
        ]),
      );
      const x = Float64Array.from({ length: 16 }, (_, i) => Math.cos(i));
      const y = part.apply(x);
      for (let i = 0; i < 3; i++) {
        for (let j = 0; j < 2; j++) {
          for (let k = 0; k < 2; k++) {
            let sum = 0;
            for (let p = 0; p < 2; p++) {
              for (let q = 0; q < 4; q++) sum += a[i][p] * b[k][q] * x[(p * 2 + j) * 4 + q];
            }
            expect(y[(i * 2 + j) * 2 + k]).toBeCloseTo(sum, 12);
          }
        }
      }
      checkPart(part);
    }),
    { numRuns: 40 },
  );
});

describe("norms", () => {
  it("row and column sums bound the largest singular value", () => {
    fc.assert(
      fc.property(matrix(4, 3), (rows) => {
        const largest = largestSingularValue({ rows: 4, cols: 3, data: Float64Array.from(rows.flat()) });
        expect(schurNorm(sparse(rows, 3))).toBeGreaterThanOrEqual(largest * (1 - 1e-14));
      }),
    );
    expect(schurNorm(sparse([[1, 1, 1, 1]], 4))).toBe(2);
  });

  it("of running sums is that of a triangle of ones", () => {
    for (const n of [1, 2, 3, 10, 60]) {
      const data = Float64Array.from({ length: n * n }, (_, k) => (k % n <= Math.floor(k / n) ? 1 : 0));
      const largest = largestSingularValue({ rows: n, cols: n, data });
      expect(runningSumNorm(n)).toBeGreaterThanOrEqual(largest * (1 - 1e-14));
      expect(runningSumNorm(n)).toBeLessThanOrEqual(largest * (1 + 1e-13));
    }
  });
});

it("sums and averages along several axes", () => {
  checkPart(axesPart([2, 3, 2], summingMatrices([2, 3, 2], [0, 2], 1)));
  checkPart(axesPart([3, 4], summingMatrices([3, 4], [0, 1], 1 / 12)));
});

it("adds entries up where they meet", () => {
  const part = summedPart(Int32Array.of(2, 0, -1, 2, 2), 3);
  expect(part.apply(Float64Array.of(1, 2, 3, 4, 5))).toEqual(Float64Array.of(2, 0, 10));
  expect(part.roundings).toBe(2);
  checkPart(part);
});
