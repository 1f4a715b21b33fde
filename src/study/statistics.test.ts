import { expect, it } from "vitest";
import { errorsAbove, metricAt, summarize, summarizeMetrics } from "./statistics.ts";

it("gives mean and sample standard deviation", () => {
  // 2, 4, 4, 4, 5, 5, 7, 9: mean 5, squares sum to 32, over n − 1 = 7.
  const { mean, std, count } = summarize([2, 4, 4, 4, 5, 5, 7, 9]);
  expect([mean, count]).toEqual([5, 8]);
  expect(std).toBeCloseTo(Math.sqrt(32 / 7), 12);
});

it("says of how many runs a mean is, and has none of nothing", () => {
  expect(summarize([1, null, Number.NaN, 3, undefined, Number.POSITIVE_INFINITY])).toEqual({
    mean: 2,
    std: Math.SQRT2,
    count: 2,
  });
  expect(summarize([null])).toEqual({ mean: null, std: null, count: 0 });
  expect(summarize([7])).toEqual({ mean: 7, std: 0, count: 1 });
});

it("reads metrics with cases whose names hold dots", () => {
  const metrics = { clean: 0.9, certified: { "0.3": 0.5, "1.58": null }, absent: null };
  expect(metricAt(metrics, "clean")).toBe(0.9);
  expect(metricAt(metrics, "certified.0.3")).toBe(0.5);
  expect(metricAt(metrics, "certified.1.58")).toBeNull();
  expect(metricAt(metrics, "certified.2")).toBeNull();
  expect(metricAt(metrics, "certified")).toBeNull();
  expect(metricAt(metrics, "absent")).toBeNull();
  expect(metricAt(metrics, "nothing.at.all")).toBeNull();
});

it("summarises every metric, case by case", () => {
  const runs = [
    { a: 1, b: { x: 1, y: 2 } },
    { a: 3, b: { x: 3 }, c: null },
  ];
  expect(summarizeMetrics(runs)).toEqual({
    a: { mean: 2, std: Math.SQRT2, count: 2 },
    b: { x: { mean: 2, std: Math.SQRT2, count: 2 }, y: { mean: 2, std: 0, count: 1 } },
    c: { mean: null, std: null, count: 0 },
  });
});

it("tells how many standard errors lie between two means", () => {
  // Means 2 and 0, variances 2 and 0 of two values each: √(2/2 + 0/2) = 1.
  expect(errorsAbove([1, 3], [0, 0])).toBe(2);
  expect(errorsAbove([0, 0], [1, 3])).toBe(-2);
  expect(errorsAbove([1, null, 3], [2, 2, undefined])).toBe(0);
  expect(errorsAbove([1, 1], [0, 0])).toBe(Number.POSITIVE_INFINITY);
  expect(errorsAbove([5], [0, 1])).toBe(0);
});
