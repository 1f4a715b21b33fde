import { describe, expect, it } from "vitest";
import { largestSingularValue } from "../testing/linear.ts";
import { randomNumbers } from "../testing/run-onnx.ts";
import { bilinear } from "./bilinear.ts";
import { entryImage, matrixImage } from "./bilinear-image.ts";
import { normOverBox } from "./box-norm.ts";

describe("a product of two numbers", () => {
  const one = { begins: Int32Array.of(0), row: 1, col: 1, size: 1 };
  const scalar = bilinear({ rows: 1, inner: 1, cols: 1, left: one, right: one, factor: -2 });
  const box = (lo: number, hi: number) => ({ lo: Float64Array.of(lo), hi: Float64Array.of(hi) });

  it("bounds unbounded boxes", () => {
    expect(scalar.image?.([box(0, 0), box(-Infinity, Infinity)])).toEqual(
      expect.objectContaining({ lo: expect.anything() }),
    );
    const zero = scalar.image?.([box(0, 0), box(-Infinity, Infinity)]);
    expect(Math.abs(zero!.lo[0])).toBeLessThan(1e-290);
    const half = scalar.image?.([box(1, 2), box(0, Infinity)]);
    expect(half?.lo[0]).toBe(-Infinity);
    expect(half?.hi[0]).toBe(Infinity);
    expect(scalar.local?.([box(0, 1), box(0, Infinity)])).toBeNull();
  });

  it("adds up the products that share an operand", () => {
    const shared = { ...one, begins: Int32Array.of(0, 0) };
    const own = { ...one, begins: Int32Array.of(0, 1), size: 2 };
    const both = bilinear({ rows: 1, inner: 1, cols: 1, left: shared, right: own, factor: 1 });
    const pair = { lo: Float64Array.of(3, 4), hi: Float64Array.of(3, 4) };
    const { constants } = both.local!([box(2, 2), pair])!;
    expect(constants[0]).toBeCloseTo(5, 12);
    expect(constants[1]).toBeCloseTo(2, 12);
  });

  it("is tight at a point", () => {
    const { lo, hi } = scalar.image!([box(3, 3), box(0.1, 0.1)]);
    expect(lo[0]).toBeLessThanOrEqual(-0.6);
    expect(hi[0]).toBeGreaterThanOrEqual(-0.6);
    expect(hi[0] - lo[0]).toBeLessThan(1e-14);
    const local = scalar.local!([box(3, 3), box(0.1, 0.1)]);
    expect(local?.constants[0]).toBeCloseTo(0.2, 12);
    expect(local?.constants[1]).toBeCloseTo(6, 12);
  });
});

describe("boxes of products of matrices", () => {
  const [m, k, n] = [7, 9, 5];
  const random = randomNumbers(3);
  const boxOf = (size: number, low: number, width: number) => {
    const lo = Float64Array.from({ length: size }, () => low + (1 + random()));
    return { lo, hi: lo.map((l) => l + (width * (1 + random())) / 2) };
  };
  const within = ({ lo, hi }: ReturnType<typeof boxOf>) =>
    lo.map((l, i) => (random() < -0.5 ? l : random() > 0.5 ? hi[i] : l + ((hi[i] - l) * (1 + random())) / 2));

  for (const [name, low, other] of [
    ["of any sign", -1, -1],
    ["with nonnegative left operands", 0, -1],
    ["with nonnegative right operands", -1, 0],
  ] as const) {
    it(`${name} hold products, by whole matrices as entry by entry`, () => {
      for (const width of [0, 1e-6, 0.5, 4]) {
        const [a, b] = [boxOf(m * k, low, width), boxOf(k * n, other, width)];
        const [whole, entries] = [matrixImage(m, k, n)(a, b), entryImage(m, k, n)(a, b)];
        for (let t = 0; t < 30; t++) {
          const [x, y] = [within(a), within(b)];
          for (let i = 0; i < m * n; i++) {
            let sum = 0;
            for (let p = 0; p < k; p++) sum += x[Math.floor(i / n) * k + p] * y[p * n + (i % n)];
            for (const { lo, hi } of [whole, entries]) {
              expect(sum).toBeGreaterThanOrEqual(lo[i] - 1e-14);
              expect(sum).toBeLessThanOrEqual(hi[i] + 1e-14);
            }
          }
        }
        const most = low === 0 || other === 0 ? 1 + 1e-9 : 1.5;
        whole.lo.forEach((l, i) => {
          const exact = entries.hi[i] - entries.lo[i];
          expect(whole.hi[i] - l).toBeLessThanOrEqual(most * exact + 1e-12);
        });
      }
    });
  }
});

describe("the norm over a box", () => {
  it("holds for corners of the box, and is close to σ₁ for a small one", () => {
    const random = randomNumbers(8);
    for (const [rows, cols, width] of [
      [3, 5, 0.1],
      [5, 3, 2],
      [1, 4, 0.5],
      [6, 6, 0],
    ]) {
      const centre = Float64Array.from({ length: rows * cols }, random);
      const box = { lo: centre.map((c) => c - width), hi: centre.map((c) => c + width) };
      const bound = normOverBox(box, rows, cols);
      for (let k = 0; k < 20; k++) {
        const data = centre.map((c) => c + (random() < 0 ? -width : width));
        expect(bound).toBeGreaterThanOrEqual(largestSingularValue({ data, rows, cols }));
      }
      const middle = largestSingularValue({ data: centre, rows, cols });
      expect(bound).toBeLessThanOrEqual(middle * (1 + 1e-5) + width * Math.sqrt(rows * cols) * (1 + 1e-9));
    }
  });
});
