import { describe, expect, it } from "vitest";
import { denseNetwork, exactRadius, type Layer } from "../../test/support/certify-networks.ts";
import { attack, isBeyondRounding, shorten } from "./attack.ts";
import { forward, outputsOf } from "./evaluate.ts";
import type { Network } from "./network.ts";
import { randomNumbers } from "./testing/run-onnx.ts";

const options = { steps: 50, seed: 1n };

function randomLayer(classes: number, size: number, seed: number): Layer {
  const random = randomNumbers(seed);
  return {
    weights: Array.from({ length: classes }, () => Array.from({ length: size }, random)),
    bias: Array.from({ length: classes }, random),
  };
}

function classOf(network: Network, x: Float64Array): number {
  const [outputs] = outputsOf(network, forward(network, [x]));
  return outputs.indexOf(Math.max(...outputs));
}

describe("on a linear classifier, whose nearest boundary is known", () => {
  it.each([2, 3, 10])("succeeds just above that distance and never below (%d classes)", async (classes) => {
    for (let seed = 0; seed < 20; seed++) {
      const layer = randomLayer(classes, 12, 100 * classes + seed);
      const network = denseNetwork(layer);
      const x = Float64Array.from({ length: 12 }, randomNumbers(seed));
      const label = classOf(network, x);
      const radius = exactRadius(layer, x, label);
      const above = await attack(network, x, label, radius * (1 + 1e-6), options);
      expect(above, `classes ${classes}, seed ${seed}`).not.toBeNull();
      expect(classOf(network, above!.point)).toBe(above!.predicted);
      expect(above!.predicted).not.toBe(label);
      expect(above!.distance).toBeLessThanOrEqual(radius * (1 + 1e-6));
      expect(above!.distance).toBeGreaterThanOrEqual(radius * (1 - 1e-12));
      expect(await attack(network, x, label, radius * (1 - 1e-9), options)).toBeNull();
    }
  });

  it("comes back along the line to where the class changes", async () => {
    const layer = randomLayer(4, 6, 7);
    const network = denseNetwork(layer);
    const x = Float64Array.from({ length: 6 }, randomNumbers(8));
    const label = classOf(network, x);
    const radius = exactRadius(layer, x, label);
    const far = await attack(network, x, label, 50 * radius, options);
    const near = shorten(network, x, label, far!);
    expect(near.distance).toBeLessThan(far!.distance);
    expect(near.distance).toBeLessThan(radius * 1.01);
    expect(near.distance).toBeGreaterThanOrEqual(radius * (1 - 1e-12));
    expect(classOf(network, near.point)).toBe(near.predicted);
  });
});

it("measures the distance of the point as it is, rounded up, where ε is near the spacing of floats", async () => {
  const network = denseNetwork({ weights: [[1], [-1]], bias: [-2e6, 2e6] });
  const x = Float64Array.of(2e6 + 1e-9);
  for (const epsilon of [1e-10, 3e-10, 1e-9, 1e-8]) {
    const found = await attack(network, x, 0, epsilon, options);
    if (found === null) continue;
    expect(found.distance).toBeLessThanOrEqual(epsilon);
    expect(Math.abs(found.point[0] - x[0])).toBeLessThanOrEqual(found.distance);
  }
  expect(await attack(network, x, 0, 1e-8, options)).not.toBeNull();
});

describe("on a network with kinks", () => {
  // f₀ − f₁ = 1 − relu(x₀ − 1): flat around the origin, the boundary at x₀ = 2.
  const flat = denseNetwork({ weights: [[1, 0]], bias: [-1] }, { weights: [[0], [1]], bias: [1, 0] });

  it("gets over a flat start by its random one, if anything points the way from there", async () => {
    const found = await Promise.all(
      Array.from({ length: 40 }, (_, seed) =>
        attack(flat, new Float64Array(2), 0, 3, { steps: 50, seed: BigInt(seed) }),
      ),
    );
    const hits = found.filter((each) => each !== null);
    // A start uniform on the circle of radius 3 has x₀ > 1 in 39 % of cases.
    expect(hits.length).toBeGreaterThan(8);
    expect(hits.length).toBeLessThan(24);
    for (const hit of hits) expect(hit.distance).toBeGreaterThanOrEqual(2);
  });

  it("is repeated by its seed", async () => {
    const twice = [0, 0].map(() => attack(flat, new Float64Array(2), 0, 3, { steps: 9, seed: 5n }));
    const [a, b] = await Promise.all(twice);
    expect(a).toEqual(b);
  });
});

it("waits before every step, and stops when the wait throws", async () => {
  const network = denseNetwork({ weights: [[1], [-1]] });
  let waits = 0;
  const pause = async () => {
    waits += 1;
    if (waits === 5) throw new Error("stop");
  };
  await expect(attack(network, Float64Array.of(9), 0, 1, { ...options, pause })).rejects.toThrow("stop");
  waits = -1000;
  await attack(network, Float64Array.of(9), 0, 1, { ...options, pause });
  expect(waits).toBe(-1000 + 3 * 51);
});

it("takes a NaN for no class", async () => {
  // Beyond 1e8 both outputs overflow, and their difference is no number.
  const network = denseNetwork(
    { weights: [[1e300], [1e300]] },
    {
      weights: [
        [1, -1],
        [0, 0],
      ],
      bias: [0, -1],
    },
  );
  expect(await attack(network, Float64Array.of(0), 0, 1e200, options)).toBeNull();
});

describe("what rounding may have done", () => {
  const network = denseNetwork({ weights: [[3], [1]], bias: [0, 0.2] });

  it("excuses a class that changed within it", () => {
    const boundary = 0.1;
    expect(isBeyondRounding(network, Float64Array.of(boundary - 1e-6), 0)).toBe(true);
    expect(isBeyondRounding(network, Float64Array.of(boundary + 1e-6), 0)).toBe(false);
    expect(isBeyondRounding(network, Float64Array.of(boundary), 0)).toBe(false);
  });

  it("excuses nothing where the outputs are not enclosed", () => {
    const [node] = network.nodes;
    const operation = {
      kind: "general",
      forward: ([x]: readonly Float64Array[]) => Float64Array.of(3 * x[0], x[0] + 0.2),
      jvp: () => new Float64Array(2),
      vjp: () => [new Float64Array(1)],
    } as const;
    const open = { ...network, nodes: [{ ...node, operation }] };
    expect(isBeyondRounding(open, Float64Array.of(5), 0)).toBe(true);
  });
});
