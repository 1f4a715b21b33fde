import { describe, expect, it } from "vitest";
import { RandomStream } from "../../linalg/random.ts";
import { pointAndSphere, shiftedCones } from "./transport.ts";

const COUNT = 2000;

describe("distributions of a known distance", () => {
  it("are a point and a sphere: the cone −‖x‖ tells them apart by 1, and every way is of length 1", () => {
    for (const dimension of [2, 10]) {
      const { near, far, distance } = {
        ...pointAndSphere(dimension).draw(new RandomStream(1n), COUNT),
        distance: 1,
      };
      expect(near.every((value) => value === 0)).toBe(true);
      for (let i = 0; i < COUNT; i++) {
        const point = far.subarray(i * dimension, (i + 1) * dimension);
        expect(Math.hypot(...point)).toBeCloseTo(distance, 6);
      }
    }
  });

  it("are three cones: the distance to the nearest apex is 0 on one side and 1 on the other", () => {
    const { near, far } = shiftedCones.draw(new RandomStream(2n), COUNT);
    const apexes = [...new Set(Array.from({ length: COUNT }, (_, i) => `${near[2 * i]} ${near[2 * i + 1]}`))];
    expect(apexes).toHaveLength(3);
    const centres = apexes.map((apex) => apex.split(" ").map(Number));
    for (const [i, [x, y]] of centres.entries()) {
      for (const [u, v] of centres.slice(i + 1)) expect(Math.hypot(x - u, y - v)).toBeGreaterThan(2);
    }
    for (let i = 0; i < COUNT; i++) {
      const distances = centres.map(([x, y]) => Math.hypot(far[2 * i] - x, far[2 * i + 1] - y));
      expect(Math.min(...distances)).toBeCloseTo(1, 5);
    }
  });
});
