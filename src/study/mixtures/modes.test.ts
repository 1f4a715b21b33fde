import { describe, expect, it } from "vitest";
import { RandomStream } from "../../linalg/random.ts";
import { coverage, divergenceFromUniform } from "./modes.ts";
import { grid, ring } from "./targets.ts";

describe("coverage of modes", () => {
  it("gives a perfect sampler 1 − e^(−9/2) = 98.89 % high quality, all modes and no divergence", () => {
    const count = 200_000;
    for (const target of [grid, ring]) {
      const found = coverage(target.draw(new RandomStream(5n), count), target);
      const expected = 1 - Math.exp(-4.5);
      expect(expected).toBeCloseTo(0.9889, 4);
      expect(Math.abs(found.hq - expected)).toBeLessThan(5 * Math.sqrt((expected * (1 - expected)) / count));
      expect(found.modes).toBe(target.modes.length);
      expect(found.reverseKl).toBeLessThan(1e-3);
      expect(found.least).toBeGreaterThan((0.9 * count) / target.modes.length);
    }
  });

  it("counts by hand: two points on one mode, one just outside of another, one far away", () => {
    const points = [0, 0, 0.1, 0, 2, 2.151, 0.5, -1];
    const found = coverage(points, grid);
    expect(found.modes).toBe(1);
    expect(found.hq).toBe(0.5);
    expect(found.least).toBe(0);
    // The sample is for (0, 0), (0, 0), (2, 2) and a mode beside (0.5, −1): shares 1/2, 1/4, 1/4 of 25 modes.
    expect(found.reverseKl).toBeCloseTo(0.5 * Math.log(12.5) + 0.5 * Math.log(6.25), 12);
  });

  it("takes three standard deviations as the border", () => {
    expect(coverage([0, 0.1499], grid).hq).toBe(1);
    expect(coverage([0, 0.1501], grid).hq).toBe(0);
    expect(coverage([2.0599, 0], ring).hq).toBe(1);
    expect(coverage([2.0601, 0], ring).hq).toBe(0);
  });

  it("is the log of the number of modes when all samples are of one", () => {
    expect(coverage([1, 1, 1, 1], grid).reverseKl).toBeCloseTo(Math.log(25), 12);
    expect(divergenceFromUniform([3, 3, 3])).toBe(0);
    expect(divergenceFromUniform([1, 0])).toBeCloseTo(Math.log(2), 12);
  });
});
