import { describe, expect, it } from "vitest";
import { RandomStream } from "../../linalg/random.ts";
import { DRONE, descent, type FlightOptions, fly, groundEffect } from "./landing.ts";

const weight = DRONE.mass * DRONE.gravity;
const options = (over: Partial<FlightOptions>): FlightOptions => ({
  steps: 1000,
  start: 1.5,
  path: descent(1.5),
  truth: groundEffect,
  model: groundEffect,
  stream: new RandomStream(1n),
  ...over,
});

describe("groundEffect", () => {
  it("fades with height and is drag alone without thrust", () => {
    expect(groundEffect(5, 0, weight)).toBeLessThan(0.01);
    expect(groundEffect(0, 0, weight)).toBeCloseTo(
      weight * (0.15 ** 2 / 0.36 ** 2 / (1 - 0.15 ** 2 / 0.36 ** 2)),
      12,
    );
    expect(groundEffect(0.1, 0, weight)).toBeLessThan(groundEffect(0, 0, weight));
    expect(groundEffect(1, -2, 0)).toBeCloseTo(1.2, 12);
  });
});

describe("descent", () => {
  it("has the speed and acceleration of its height", () => {
    const path = descent(1.5);
    const eps = 1e-5;
    for (const t of [0.1, 1, 4]) {
      const [, v, a] = path(t);
      expect(v).toBeCloseTo((path(t + eps)[0] - path(t - eps)[0]) / (2 * eps), 8);
      expect(a).toBeCloseTo((path(t + eps)[1] - path(t - eps)[1]) / (2 * eps), 8);
    }
    expect(path(0)[0]).toBe(1.5);
  });
});

describe("fly", () => {
  it("lands within centimetres when the controller knows the force, and hangs above the ground when it knows none", () => {
    const last = (model: FlightOptions["model"]) => {
      const { z } = fly(options({ model, stream: new RandomStream(2n) }));
      return z.subarray(-200).reduce((sum, value) => sum + value, 0) / 200;
    };
    expect(Math.abs(last(groundEffect))).toBeLessThan(0.05);
    expect(last(() => 0)).toBeGreaterThan(0.1);
  });

  it("obeys Newton's law and the limits of thrust", () => {
    const { z, v, u, force } = fly(options({ model: (_z, _v, thrust) => -20 * (thrust - weight) }));
    for (let i = 0; i + 1 < z.length; i++) {
      expect(z[i + 1]).toBeCloseTo(z[i] + DRONE.step * v[i], 12);
      expect(v[i + 1]).toBeCloseTo(v[i] + DRONE.step * ((u[i] + force[i]) / DRONE.mass - DRONE.gravity), 12);
    }
    expect(Math.min(...u)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...u)).toBeLessThanOrEqual(DRONE.thrust * weight);
  });

  it("falls freely without thrust and air", () => {
    const still = { truth: () => 0, model: () => 1e9 };
    const { v } = fly(options({ ...still, steps: 300 }));
    expect(v[299] - v[100]).toBeCloseTo(-DRONE.gravity * 1.99, 0);
  });

  it("is decided by its seed", () => {
    expect(fly(options({ stream: new RandomStream(3n) }))).toEqual(
      fly(options({ stream: new RandomStream(3n) })),
    );
  });
});
