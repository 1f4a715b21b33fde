import { defaultDevice, init } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import { liveArrays } from "../../compile.ts";
import { proximalSpectrum } from "../../linalg/proximal.ts";
import { descend } from "./descent.ts";
import { penaltyFlow } from "./flow.ts";

const spectrum = Float64Array.of(3, 2, 1.5, 0.5);
const shared = { columns: 6, steps: 400 };

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

function farthest(a: Float64Array, b: Float64Array): number {
  return Math.max(...a.map((value, i) => Math.abs(value - b[i])));
}

describe("descend", () => {
  it("follows the exact flow of every penalty", async () => {
    for (const [power, rank, lambda] of [
      [2, 4, 1],
      [2, 1, 1.5],
      [1, 1, 2],
      [2, 2, 1],
    ] as const) {
      const penalty = { power, rank };
      const stepSize = () => 1 / shared.steps;
      const found = await descend(spectrum, { ...shared, penalty, lambda, stepSize, anchored: false });
      // Values that have met are lowered in turn, by one step each.
      const step = (lambda * spectrum[0]) / shared.steps;
      expect(farthest(found, penaltyFlow(spectrum, penalty, lambda))).toBeLessThan(4 * step);
    }
  });

  it("ends at the proximal map when anchored, and keeps nothing", async () => {
    const before = liveArrays();
    for (const [power, rank, name] of [
      [2, 4, "frobenius"],
      [2, 1, "squared-spectral"],
      [1, 1, "spectral"],
    ] as const) {
      const stepSize = (k: number) => 1 / (k + 3);
      const found = await descend(spectrum, {
        ...{ ...shared, penalty: { power, rank }, lambda: 2, stepSize, anchored: true },
      });
      expect(farthest(found, proximalSpectrum(spectrum, name, 2))).toBeLessThan(0.02);
    }
    expect(liveArrays()).toBe(before);
  });
});
