import { expect, it } from "vitest";
import { runningMean } from "./running-mean.ts";

it("is the mean of the values within the window", () => {
  const values = Array.from({ length: 200 }, (_, i) => Math.sin(i) + i);
  const { mean, window } = runningMean(values);
  expect(window).toBe(7);
  for (const [i, own] of mean.entries()) {
    const near = values.filter((_, j) => Math.abs(i - j) <= 3);
    expect(own).toBeCloseTo(near.reduce((a, b) => a + b) / near.length, 10);
  }
});

it("takes series of one value", () => {
  expect(runningMean([2])).toEqual({ mean: [2], window: 3 });
});
