import { describe, expect, it } from "vitest";
import { convolution, convolutionAnySize } from "./convolution.ts";
import { type ConvolutionFacts, tightest } from "./convolution-bounds.ts";
import { dense } from "./dense.ts";
import { lowerBound, productError } from "./lower-bound.ts";
import type { LinearOperator } from "./operator.ts";
import { compose, directSum, scale } from "./operators.ts";
import { polynomialUpper } from "./polynomial-bound.ts";
import { powerMethod, powerState } from "./power-method.ts";
import { RandomStream } from "./random.ts";
import { spectralNorm } from "./spectral-norm.ts";
import { gaussian } from "./testing/matrices.ts";

const random = new RandomStream(20n);

function line(kernel: readonly number[], inputSize: readonly number[] | undefined, stride: number) {
  const padding = [[1, 1]] as const;
  const common = { inputSize, strides: [stride], padding, dilations: [1], groups: 1 };
  return {
    kernel: Float64Array.from(kernel),
    shape: [1, 1, kernel.length],
    geometry: (boundary: "zero" | "circular") => ({ ...common, boundary }),
  };
}

/** An operator known only by its products. */
function opaque({ rows, cols, apply, adjoint }: LinearOperator): LinearOperator {
  return { rows, cols, apply, adjoint };
}

describe("numbers at the ends of float64", () => {
  it.each([1e-300, 1e-200, 1e-170, 1e-160, 1e200, 1e300])("σ₁ = 2·%g of an opaque operator", (c) => {
    const operator = opaque(dense(Float64Array.of(c, c, c, c), 2, 2));
    const { lower, upper } = spectralNorm(operator, { seed: 1n });
    expect(lower).toBeLessThanOrEqual(2 * c);
    expect(upper).toBeGreaterThanOrEqual(2 * c);
  });

  it.each([1e-99, 1e-80, 1e80, 1e99])("a matrix of %g has a gap as small as any", (c) => {
    const matrix = gaussian(random, 60, 60).map((x) => x * c);
    const { lower, upper } = spectralNorm(dense(matrix, 60, 60), { seed: 1n, guarantee: "probable" });
    expect(upper! - lower).toBeLessThanOrEqual(0.01 * upper!);
  });

  it("ends where the top Ritz value is too small to be divided", () => {
    expect(polynomialUpper([1e-320], [0], 1, 1e-320, 1e-9, 3)).toBeGreaterThan(1e-320);
    expect(polynomialUpper([Number.NaN], [0], 1, Number.NaN, 1e-9, 3)).toBe(Number.POSITIVE_INFINITY);
  });

  it.each([1e-200, 1e-170, 1.234e-160])("a convolution that sees only its smallest tap, %g", (tap) => {
    const { kernel, shape, geometry } = line([1, tap, 1], [1], 1);
    for (const guarantee of ["probable", "proof"] as const) {
      const { lower, upper } = spectralNorm(convolution(kernel, shape, geometry("zero")), {
        seed: 1n,
        guarantee,
      });
      expect(lower).toBeLessThanOrEqual(tap);
      expect(upper).toBeGreaterThanOrEqual(tap);
    }
  });

  it("takes nothing from an overflow between the parts of a composition", () => {
    const huge = opaque(dense(Float64Array.of(1.5e308, 1.5e308), 1, 2));
    const operator = compose(dense(Float64Array.of(1e-300), 1, 1), huge);
    for (let seed = 0; seed < 20; seed++) {
      expect(spectralNorm(operator, { seed, guarantee: "estimate" }).lower).toBeLessThanOrEqual(3e8);
    }
    const v = Float64Array.of(Math.SQRT1_2, Math.SQRT1_2);
    expect(lowerBound(v, operator.apply(v), productError(2, 1))).toBe(0);
  });

  it("keeps below σ₁ where a composition's products are subnormal", () => {
    const n = 500;
    const column = dense(new Float64Array(n).fill(1.5 * 2 ** -537), n, 1);
    const operator = compose(column, dense(Float64Array.of(2 ** -537), 1, 1));
    const truth = 1.5 * Math.sqrt(n) * 2 ** -1074;
    expect(spectralNorm(operator, { seed: 1n }).lower).toBeLessThanOrEqual(truth);
  });
});

describe("factors that cancel", () => {
  /** The product is −2⁻⁶⁰ exactly, far below the rounding of the sum that gives it. */
  const row = Float64Array.of(1 + 2 ** -30, 1, 1 / 3, -1 / 3);
  const column = Float64Array.of(1 - 2 ** -30, -1, 1 / 7, 1 / 7);
  const truth = 2 ** -60;
  const product = () => compose(dense(row, 1, 4), dense(column, 4, 1));

  it.each([
    ["nested", () => compose(product(), dense(Float64Array.of(1), 1, 1)), 1],
    ["scaled", () => scale(product(), 2 ** 30), 2 ** 30],
    ["beside another", () => directSum([product(), dense(Float64Array.of(0), 1, 1)]), 1],
  ])("a composition %s", (_name, make, factor) => {
    const operator = make();
    for (let seed = 0; seed < 50; seed++) {
      const { lower } = powerMethod(operator, powerState(operator, seed));
      expect(lower).toBeLessThanOrEqual(truth * factor);
      const bound = spectralNorm(operator, { seed, failureProbability: 0.5 });
      expect(bound.lower).toBeLessThanOrEqual(truth * factor);
      expect(bound.upper).toBeGreaterThanOrEqual(truth * factor);
    }
  });

  it("taps of one pixel", () => {
    const { kernel, shape, geometry } = line([0.1, 0.2, -0.3], [1], 1);
    const operator = convolution(kernel, shape, geometry("circular"));
    // The exact sum of the three float64 numbers.
    const truth = 2 ** -55;
    for (let seed = 0; seed < 50; seed++) {
      expect(powerMethod(operator, powerState(operator, seed)).lower).toBeLessThanOrEqual(truth);
      expect(spectralNorm(operator, { seed }).upper).toBeGreaterThanOrEqual(truth);
    }
  });
});

describe("convolutions of any size", () => {
  it("a strided circular one has no more than some size attains", () => {
    const { kernel, shape, geometry } = line([1, -1, 1], undefined, 2);
    const { lower, upper } = spectralNorm(convolutionAnySize(kernel, shape, geometry("circular")), {
      seed: 1n,
    });
    const norms = Array.from({ length: 40 }, (_, i) => {
      const sized = line([1, -1, 1], [i + 1], 2);
      return spectralNorm(convolution(kernel, shape, sized.geometry("circular")), { guarantee: "proof" });
    });
    expect(lower).toBeLessThanOrEqual(Math.max(...norms.map((norm) => norm.upper!)));
    expect(upper).toBeGreaterThanOrEqual(Math.max(...norms.map((norm) => norm.lower)));
  });
});

describe("the reshaped ceiling", () => {
  it("makes no proof of a probable bound", () => {
    const { shape, geometry } = line([1], [4], 1);
    const reshaped = { lower: 1, upper: 1.1, guarantee: "probable", method: "lanczos" } as const;
    const facts: ConvolutionFacts = {
      kernelShape: shape,
      geometry: geometry("zero"),
      frobenius: 1,
      scale: 1,
      reshaped: { ...reshaped, failureProbability: 1e-9 },
    };
    const sigma = { lower: 1, upper: 2, guarantee: "proof", method: "cholesky" } as const;
    expect(tightest(sigma, facts)).toMatchObject({
      upper: 1.1,
      guarantee: "probable",
      failureProbability: 1e-9,
    });
  });
});
