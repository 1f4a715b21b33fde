import { expect, it } from "vitest";
import { linearAxis, logAxis } from "./axis.ts";
import { linePath } from "./line-path.ts";

/** Points of a path in 2000 × 180, of which 8 pixels are kept free above and below. */
function pointsOf(path: string): { x: number; share: number }[] {
  return [...path.matchAll(/[ML](\d+) ([\d.]+)/g)].map(([, x, y]) => ({
    x: Number(x) / 2000,
    share: (172 - Number(y)) / 164,
  }));
}

it("draws short series point by point", () => {
  const path = linePath([0, 5, 10], [0, 1, 0.5], linearAxis(10), linearAxis(1), 180);
  expect(pointsOf(path)).toEqual([
    { x: 0, share: 0 },
    { x: 0.5, share: 1 },
    { x: 1, share: 0.5 },
  ]);
});

it("keeps both ends and every extreme of long series, in a few hundred points", () => {
  const steps = Array.from({ length: 10_000 }, (_, i) => i);
  const values = steps.map((i) => 0.5 + (i === 4321 ? 0.5 : 0) - (i === 7654 ? 0.5 : 0) + 0.001 * (i % 3));
  const points = pointsOf(linePath(steps, values, linearAxis(10_000), linearAxis(1.002), 180));
  expect(points.length).toBeLessThan(400);
  const shares = points.map(({ share }) => share);
  expect(Math.max(...shares)).toBeCloseTo(1.001 / 1.002, 2);
  expect(Math.min(...shares)).toBeCloseTo(0, 2);
  expect(points[0].x).toBe(0);
  expect(points.at(-1)!.x).toBeCloseTo(0.9999, 3);
  expect(points.every(({ x }, i) => i === 0 || x >= points[i - 1].x)).toBe(true);
});

it("puts what has no logarithm at the foot of a log axis", () => {
  const points = pointsOf(linePath([0, 1, 2], [1, 0, 0.1], linearAxis(2), logAxis([1, 0.1]), 180));
  expect(points[1].share).toBe(0);
  expect(points[0].share).toBeGreaterThan(points[2].share);
  expect(points[2].share).toBeGreaterThan(0);
});
