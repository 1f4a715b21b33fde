import { describe, expect, it } from "vitest";
import { RandomStream } from "../../linalg/random.ts";
import { pendulum } from "../simulators/pendulum.ts";
import { flightPairs, land, landingMeasures, seenInFlight } from "./flights.ts";
import { drawPairs, drawPaths } from "./pairs.ts";
import { coarsely, systemNamed } from "./systems.ts";

describe("drawPairs", () => {
  it("gives the pendulum's rate at its states", () => {
    const { x, y, count, largest } = drawPairs(
      systemNamed("damped"),
      { paths: 3, rows: 50, noise: 0 },
      new RandomStream(1n),
    );
    const rate = pendulum(0.3);
    for (let row = 0; row < count; row++) {
      const [q, p] = rate(Float64Array.from(x.subarray(2 * row, 2 * row + 2)));
      // A step of 0.01 changes the rate by a few percent.
      expect(Math.abs(y[2 * row] - q)).toBeLessThan(0.05);
      expect(Math.abs(y[2 * row + 1] - p)).toBeLessThan(0.05);
    }
    expect(count).toBe(50);
    expect(largest).toBeGreaterThan(0.4);
    expect(largest).toBeLessThan(1.6);
  });

  it("gives windows of the heat equation and the change at their middle, per h", () => {
    const system = systemNamed("heat");
    const { x, y, count, inputs, outputs } = drawPairs(
      system,
      { paths: 2, rows: 200, noise: 0 },
      new RandomStream(2n),
    );
    expect([inputs, outputs, count]).toEqual([7, 1, 200]);
    for (let row = 0; row < count; row++) {
      const [, , before, at, next] = x.subarray(7 * row, 7 * row + 7);
      // α N² = 2 to the first order in the curvature.
      expect(y[row] * system.h).toBeCloseTo(2 * (before - 2 * at + next), 2);
    }
  });

  it("asks only for what the coarse solver leaves over", () => {
    const system = systemNamed("kuramoto");
    const u = system.start(new RandomStream(3n));
    const coarse = coarsely(system, u);
    const norm = (values: Float64Array) => Math.hypot(...values);
    const step = system.step(u);
    const left = norm(step.map((value, i) => value - coarse[i]));
    expect(left).toBeLessThan(0.5 * norm(step.map((value, i) => value - u[i])));
    expect(left).toBeGreaterThan(0);
  });

  it("adds noise of the size asked for, and its seed alone decides", () => {
    const draw = (noise: number) =>
      drawPairs(systemNamed("heat"), { paths: 4, rows: 2000, noise }, new RandomStream(4n));
    const [clean, noisy] = [draw(0), draw(0.02)];
    const spread = (y: Float32Array) =>
      Math.sqrt(y.reduce((sum, value) => sum + value * value, 0) / y.length);
    // Two measurements of 0.02 each, per h = 0.1.
    expect(spread(noisy.y) ** 2 - spread(clean.y) ** 2).toBeCloseTo((Math.SQRT2 * 0.2) ** 2, 1);
    expect(draw(0.02)).toEqual(noisy);
  });
});

describe("drawPaths", () => {
  it("puts the states of all paths in a row, step by step", () => {
    const system = systemNamed("undamped");
    const paths = drawPaths(system, 2, 3, new RandomStream(5n));
    expect(paths.map(({ length }) => length)).toEqual([4, 4, 4, 4]);
    expect(paths[2].subarray(2)).toEqual(system.step(paths[1].subarray(2)));
  });
});

describe("flights", () => {
  it("measure what the air does, with noise", () => {
    const { x, y, count } = flightPairs({ rows: 2000, noise: 0 }, new RandomStream(6n));
    const mean = y.reduce((sum, value) => sum + value, 0) / count;
    expect(mean).toBeGreaterThan(0.1);
    const heights = Array.from({ length: count }, (_, row) => x[3 * row] * 0.4);
    expect(Math.min(...heights)).toBeLessThan(0.15);
    expect(seenInFlight(0.4, -0.2, 1.47 * 9.81)).toEqual([1, -1, 0]);
  });

  it("are judged by where they end", () => {
    const good = land((z, v, u) => {
      const near = (0.15 / (4 * Math.max(0, z) + 0.36)) ** 2;
      return (u * near) / (1 - near) - 0.3 * v * Math.abs(v);
    }, new RandomStream(7n));
    const bad = { ...good, z: good.z.map((value) => value + 0.5) };
    const one = landingMeasures([good], 1);
    expect(one).toMatchObject({ bounded: 1, landed: 1 });
    expect(one.error).toBeLessThan(0.05);
    const both = landingMeasures([good, bad], 1);
    expect(both.landed).toBe(0.5);
    expect(both.drift).toBeGreaterThan(0.2);
    expect(landingMeasures([good], 0.1).bounded).toBe(0);
  });
});
