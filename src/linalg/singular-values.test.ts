import { describe, expect, it } from "vitest";
import { conv2d } from "./convolutions.ts";
import { dense } from "./dense.ts";
import { explicitMatrix } from "./explicit.ts";
import { compose, scale } from "./operators.ts";
import { powerMethod, powerState } from "./power-method.ts";
import { RandomStream } from "./random.ts";
import { singularValues } from "./singular-values.ts";
import { spectralNorm } from "./spectral-norm.ts";
import { singularValuesSmall } from "./svd.ts";
import { assembled, gaussian, orthonormal } from "./testing/matrices.ts";

describe("singularValues", () => {
  it("gives all of a small operator's, repeated ones included", () => {
    const random = new RandomStream(1n);
    const s = Float64Array.of(3, 3, 2, 1, 0);
    const a = assembled({ u: orthonormal(random, 7, 5), s, v: orthonormal(random, 5, 5) }, 7, 5);
    const { values, complete } = singularValues(dense(a, 7, 5));
    expect(complete).toBe(true);
    values.forEach((value, i) => {
      expect(value).toBeCloseTo(s[i]!, 12);
    });
  });

  it("gives the leading ones of a large operator to the accuracy asked", () => {
    const random = new RandomStream(2n);
    const n = 300;
    const s = Float64Array.from({ length: n }, (_, i) => 5 / Math.sqrt(i + 1));
    const a = assembled({ u: orthonormal(random, n, n), s, v: orthonormal(random, n, n) }, n, n);
    const { values, complete } = singularValues(dense(a, n, n), { count: 12 });
    expect(complete).toBe(false);
    expect(values.length).toBe(12);
    values.forEach((value, i) => {
      expect(Math.abs(value / s[i]! - 1)).toBeLessThan(1e-6);
    });
  });

  it("takes any operator", () => {
    const random = new RandomStream(3n);
    const kernel = { data: gaussian(random, 1, 4 * 3 * 9), shape: [4, 3, 3, 3] };
    const operator = scale(
      conv2d(kernel, {
        inputShape: [3, 5, 5],
        padding: [
          [1, 1],
          [1, 1],
        ],
      }),
      -2,
    );
    const expected = singularValuesSmall(explicitMatrix(operator), operator.rows, operator.cols);
    expect(Array.from(singularValues(operator).values)).toEqual(Array.from(expected));
  });

  it("refuses senseless options", () => {
    const operator = dense(Float64Array.of(1, 2), 1, 2);
    expect(() => singularValues(operator, { count: 0 })).toThrow(/number of singular values: got 0/);
    expect(() => singularValues(operator, { tolerance: 2 })).toThrow(/tolerance: got 2/);
  });
});

describe("powerMethod", () => {
  it("rises towards σ₁ from below, continuing from its state", () => {
    const a = gaussian(new RandomStream(4n), 40, 30);
    const operator = dense(a, 40, 30);
    const sigma = singularValuesSmall(a, 40, 30)[0]!;
    let state = powerState(operator, 1);
    let before = 0;
    for (let step = 0; step < 200; step++) {
      const result = powerMethod(operator, state);
      expect(result.estimate).toBeGreaterThanOrEqual(before * (1 - 1e-14));
      expect(result.lower).toBeLessThanOrEqual(sigma * (1 + 1e-13));
      expect(result.estimate).toBeLessThanOrEqual(sigma * (1 + 1e-12));
      before = result.estimate;
      state = result.state;
    }
    expect(before / sigma).toBeGreaterThan(1 - 1e-6);
  });

  it("does the same work in one call or many", () => {
    const operator = dense(gaussian(new RandomStream(5n), 20, 20), 20, 20);
    const start = powerState(operator, 7, 3);
    const once = powerMethod(operator, start, { iterations: 6 });
    const first = powerMethod(operator, start, { iterations: 3 });
    const twice = powerMethod(operator, first.state, { iterations: 3 });
    expect(twice.estimate).toBeCloseTo(once.estimate, 10);
  });

  it("settles at once on a repeated σ₁ with a block, and survives a rank below it", () => {
    const random = new RandomStream(6n);
    const s = Float64Array.of(2, 2, 0.1, 0, 0, 0);
    const a = assembled({ u: orthonormal(random, 6, 6), s, v: orthonormal(random, 6, 6) }, 6, 6);
    const operator = dense(a, 6, 6);
    const { values } = powerMethod(operator, powerState(operator, 1, 4), { iterations: 8 });
    [2, 2, 0.1, 0].forEach((sigma, i) => {
      expect(values[i]).toBeCloseTo(sigma, 9);
    });
  });

  it("leaves its state unchanged and refuses one that does not fit", () => {
    const operator = dense(gaussian(new RandomStream(8n), 5, 5), 5, 5);
    const state = powerState(operator, 1);
    const copy = state.vectors[0]!.slice();
    powerMethod(operator, state, { iterations: 5 });
    expect(state.vectors[0]).toEqual(copy);
    expect(() => powerMethod(operator, { vectors: [new Float64Array(4)] })).toThrow(/power state's vectors/);
  });
});

describe("spectralNorm of combinations", () => {
  it("encloses a product whose factors cancel", () => {
    const random = new RandomStream(9n);
    const q = orthonormal(random, 8, 8);
    const left = assembled({ u: q, s: Float64Array.of(1, 1, 1, 1, 0, 0, 0, 0), v: q }, 8, 8);
    const right = assembled({ u: q, s: Float64Array.of(0, 0, 0, 0, 1, 1, 1, 1), v: q }, 8, 8);
    const product = compose(dense(left, 8, 8), dense(right, 8, 8));
    const bound = spectralNorm(product, { seed: 1 });
    // The true norm is rounding error of the factors; a lower bound must not claim more.
    expect(bound.lower).toBeLessThan(1e-14);
    const proof = spectralNorm(product, { guarantee: "proof", seed: 1 });
    expect(proof.method).toBe("product");
    expect(proof.upper).toBeGreaterThanOrEqual(1);
  });

  it("refuses a proof for an operator known only by its products", () => {
    const opaque = {
      rows: 2,
      cols: 2,
      apply: (x: Float64Array) => x.slice(),
      adjoint: (y: Float64Array) => y.slice(),
    };
    expect(() => spectralNorm(opaque, { guarantee: "proof" })).toThrow(/known only by its products/);
    const { lower, upper } = spectralNorm(opaque, { seed: 1 });
    expect(lower).toBeLessThanOrEqual(1);
    expect(upper).toBeGreaterThanOrEqual(1);
  });

  it("refuses NaN and infinity by name", () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const matrix = dense(Float64Array.of(1, bad, 0, 1), 2, 2);
      for (const guarantee of ["estimate", "probable", "proof"] as const) {
        expect(() => spectralNorm(matrix, { guarantee })).toThrow(/holds a NaN or an infinity/);
      }
      const kernel = { data: Float64Array.of(bad, 1), shape: [1, 1, 2] };
      expect(() => spectralNorm(conv2d({ ...kernel, shape: [1, 1, 1, 2] }))).toThrow(/NaN or an infinity/);
    }
  });
});
