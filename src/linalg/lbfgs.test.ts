import { describe, expect, it } from "vitest";
import { minimize, type Valued } from "./lbfgs.ts";

/** Σ wᵢ(xᵢ − i)², with its true curvatures or ones. */
function bowl(weights: readonly number[], known: boolean) {
  return (x: Float64Array): Valued => ({
    value: weights.reduce((sum, w, i) => sum + w * (x[i]! - i) ** 2, 0),
    slopes: () => ({
      gradient: Float64Array.from(weights, (w, i) => 2 * w * (x[i]! - i)),
      curvature: Float64Array.from(weights, (w) => (known ? 2 * w : 1)),
    }),
  });
}

function rosenbrock(x: Float64Array): Valued {
  const [a, b] = [x[0]!, x[1]!];
  return {
    value: (1 - a) ** 2 + 100 * (b - a * a) ** 2,
    slopes: () => ({
      gradient: Float64Array.of(-2 * (1 - a) - 400 * a * (b - a * a), 200 * (b - a * a)),
      curvature: Float64Array.of(2 + 800 * a * a, 200),
    }),
  };
}

describe("minimize", () => {
  it("finds the bottom of a bowl", () => {
    const x = minimize(bowl([1, 100, 0.1], false), new Float64Array(3), 200, 0);
    x.forEach((value, i) => {
      expect(value).toBeCloseTo(i, 5);
    });
  });

  it("takes the curvatures it is given", () => {
    const x = minimize(bowl([0.1, 10], true), Float64Array.of(0.1, 1.1), 3, 0);
    expect(x[0]).toBeCloseTo(0, 12);
    expect(x[1]).toBeCloseTo(1, 12);
  });

  it("follows a bent valley", () => {
    const x = minimize(rosenbrock, Float64Array.of(-1.2, 1), 400, 0);
    expect(x[0]).toBeCloseTo(1, 4);
    expect(x[1]).toBeCloseTo(1, 4);
  });

  it("stays where the function is defined", () => {
    const half = (x: Float64Array) => (x[0]! > 0.5 ? bowl([1], true)(x) : null);
    const [x] = minimize(half, Float64Array.of(2), 60, 0);
    expect(x).toBeGreaterThan(0.5);
    expect(x).toBeLessThan(0.8);
  });

  it("returns the start where nothing can be done", () => {
    const start = Float64Array.of(3);
    expect(minimize(() => null, start, 10, 0)).toBe(start);
    expect(minimize(bowl([1], true), start, 1, 0)).toBe(start);
    expect(minimize(bowl([0], true), start, 10, 0)).toBe(start);
    expect(minimize(bowl([], true), new Float64Array(0), 10, 0)).toHaveLength(0);
  });

  it("asks for no more values than allowed", () => {
    let asked = 0;
    const counted = (x: Float64Array) => {
      asked++;
      return rosenbrock(x);
    };
    minimize(counted, Float64Array.of(-1.2, 1), 17, 0);
    expect(asked).toBe(17);
  });
});
