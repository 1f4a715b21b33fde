import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { reshapedFactorUp, reshapedIsLowerBound } from "./reshaped.ts";
import { singularValuesSmall } from "./svd.ts";
import { explicitConvolution } from "./testing/explicit-convolution.ts";
import { type ConvolutionCase, convolutionCases } from "./testing/random-convolution.ts";

/** σ₁ of the true operator and of its reshaped kernel. */
function bothNorms({ kernel, kernelShape, geometry }: ConvolutionCase): {
  operator: number;
  reshaped: number;
} {
  const { matrix, rows, cols } = explicitConvolution(kernel, kernelShape, geometry);
  return {
    operator: singularValuesSmall(matrix, rows, cols)[0]!,
    reshaped: singularValuesSmall(kernel, kernelShape[0]!, kernel.length / kernelShape[0]!)[0]!,
  };
}

describe("the reshaped kernel", () => {
  for (const [axes, largest, runs] of [
    [1, 9, 1500],
    [2, 5, 250],
  ] as const) {
    test(`bounds the true norm by its factor, and from below where a window fits: ${axes}-D`, () => {
      let below = 0;
      fc.assert(
        fc.property(convolutionCases(axes, largest), (sample) => {
          const { operator, reshaped } = bothNorms(sample);
          const { geometry } = sample;
          const kernelSize = sample.kernelShape.slice(2);
          if (geometry.boundary === "zero") {
            const factor = reshapedFactorUp(kernelSize, geometry.strides, geometry.dilations);
            expect(operator).toBeLessThanOrEqual(factor * reshaped * (1 + 1e-13));
          }
          if (reshapedIsLowerBound(geometry, kernelSize)) {
            below++;
            expect(reshaped).toBeLessThanOrEqual(operator * (1 + 1e-13));
          }
        }),
        { numRuns: runs },
      );
      expect(below).toBeGreaterThan(runs / 50);
    });
  }

  test("the factor is reached", () => {
    const kernel = new Float64Array(3).fill(1);
    const geometry = {
      strides: [1],
      padding: [[0, 0]],
      dilations: [1],
      groups: 1,
      boundary: "zero",
    } as const;
    const sample = { kernel, kernelShape: [1, 1, 3], geometry: { ...geometry, inputSize: [200] } };
    const { operator, reshaped } = bothNorms(sample);
    expect(reshapedFactorUp([3], [1], [1])).toBeGreaterThanOrEqual(operator / reshaped);
    expect(operator / reshaped).toBeGreaterThan(0.999 * Math.sqrt(3));
  });

  test("factors in closed form", () => {
    expect(reshapedFactorUp([16, 16], [16, 16], [1, 1])).toBe(1);
    expect(reshapedFactorUp([3, 3], [1, 1], [1, 1])).toBe(3);
    expect(reshapedFactorUp([3, 3], [2, 2], [1, 1])).toBe(2);
    expect(reshapedFactorUp([3, 3], [2, 2], [2, 2])).toBe(3);
    expect(reshapedFactorUp([3], [4], [6])).toBeGreaterThanOrEqual(Math.SQRT2);
    expect(reshapedFactorUp([3], [4], [6])).toBeLessThan(Math.SQRT2 + 1e-15);
  });

  test("is no lower bound with groups, or where no window fits", () => {
    const geometry = { strides: [1], padding: [[2, 2]], dilations: [1], boundary: "zero" } as const;
    expect(reshapedIsLowerBound({ ...geometry, groups: 2 }, [3])).toBe(false);
    expect(reshapedIsLowerBound({ ...geometry, groups: 1 }, [3])).toBe(true);
    expect(reshapedIsLowerBound({ ...geometry, groups: 1, inputSize: [3] }, [3])).toBe(true);
    expect(reshapedIsLowerBound({ ...geometry, groups: 1, inputSize: [2] }, [3])).toBe(false);
    expect(reshapedIsLowerBound({ ...geometry, strides: [4], groups: 1, inputSize: [4] }, [3])).toBe(false);
  });
});
