import { describe, expect, it } from "vitest";
import { largestDifference } from "./compare.ts";

describe("largestDifference", () => {
  it("is a share of the largest output of any batch, not of one that is near zero by itself", () => {
    expect(largestDifference([[1e-3], [0.5, -1]], [[1.001e-3], [0.5, -1]])).toBeCloseTo(1e-6, 12);
    expect(largestDifference([[0], [0.5, -0.9]], [[0], [0.5, -1]])).toBeCloseTo(0.1, 12);
    expect(largestDifference([[0]], [[0]])).toBe(0);
  });

  it("is NaN where something is not finite or lengths differ", () => {
    expect(largestDifference([[Number.NaN]], [[1]])).toBeNaN();
    expect(largestDifference([[1], [Infinity]], [[1], [1]])).toBeNaN();
    expect(largestDifference([[1, 2]], [[1]])).toBeNaN();
  });
});
