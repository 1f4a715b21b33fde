import { defaultDevice, init, random, tree } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import { RandomStream } from "../../linalg/random.ts";
import { spectralNorm } from "../../train.ts";
import { difference, lengths } from "./measures.ts";
import { drawPaths } from "./pairs.ts";
import { evaluate, numbersOf, type Perceptron, perceptron, steepness } from "./perceptron.ts";
import { rollOut } from "./rollout.ts";
import { learnedStep, stepErrors, stepStretch } from "./stretch.ts";
import { type SystemName, systemNamed } from "./systems.ts";

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

/** x ↦ Wx + b without a hidden layer. */
function affine(weight: readonly number[], bias: readonly number[]): Perceptron {
  const layer = {
    inputs: weight.length / bias.length,
    outputs: bias.length,
    weight: Float32Array.from(weight),
    bias: Float32Array.from(bias),
  };
  return { activation: "tanh", layers: [layer] };
}

async function untrained(inputs: number, outputs: number, cap: number): Promise<Perceptron> {
  const net = perceptron([16, 16, outputs], "tanh", spectralNorm({ cap }));
  const variables = net.init(random.key(3), [inputs]);
  const numbers = await numbersOf(net, variables, inputs, "tanh");
  tree.dispose([variables.params, variables.state]);
  return numbers;
}

describe("perceptron", () => {
  it("is evaluated by hand", () => {
    const hidden = { inputs: 1, outputs: 2, weight: Float32Array.of(1, -1), bias: Float32Array.of(0, 0.5) };
    const last = { inputs: 2, outputs: 1, weight: Float32Array.of(2, 3), bias: Float32Array.of(1) };
    const layers = [hidden, last];
    expect(evaluate({ activation: "relu", layers }, [0.25])[0]).toBeCloseTo(1 + 2 * 0.25 + 3 * 0.25, 6);
    expect(evaluate({ activation: "tanh", layers }, [0.25])[0]).toBeCloseTo(1 + 5 * Math.tanh(0.25), 6);
  });

  it("is no steeper than the product of its caps, and that is proved", async () => {
    const f = await untrained(7, 1, 1.5);
    expect(await steepness(f)).toBeLessThanOrEqual(1.5 ** 3);
    expect(await steepness(affine([3, 0, 0, 4], [1, 1]))).toBeCloseTo(4, 2);
  });
});

describe("rollOut", () => {
  it("takes the learned step again and again, on windows and with the coarse solver too", async () => {
    for (const name of ["damped", "heat", "kuramoto"] satisfies SystemName[]) {
      const system = systemNamed(name);
      const f = await untrained(system.window ?? 2, system.window === null ? 2 : 1, 1.2);
      const starts = [1n, 2n].map((seed) => system.start(new RandomStream(seed)));
      const roll = await rollOut(system, f, Float64Array.from(starts.flatMap((u) => [...u])), {
        calls: 2,
        chunk: 3,
      });
      expect(roll.steps).toEqual([0, 3, 6]);
      let most = 0;
      let x = starts[1];
      for (let i = 0; i < 6; i++) {
        x = learnedStep(system, f, x);
        most = Math.max(most, ...x.map(Math.abs));
      }
      const own = roll.states[2].subarray(system.size);
      expect(Math.max(...lengths(difference(own, x), system.size))).toBeLessThan(1e-4);
      const start = Math.max(...starts[1].map(Math.abs));
      expect(roll.peaks[2][1]).toBeCloseTo(Math.max(start, most), 4);
    }
  });

  it("notices explosions", async () => {
    const system = systemNamed("damped");
    const f = affine([1e6, 0, 0, 1e6], [0, 0]);
    const { peaks } = await rollOut(system, f, Float64Array.of(1, 0, 0, 0), { calls: 2, chunk: 10 });
    expect(peaks[2][0]).toBe(Number.POSITIVE_INFINITY);
    expect(peaks[2][1]).toBe(0);
  });
});

describe("stepErrors", () => {
  it("keeps every measured error within its bound", async () => {
    for (const name of ["undamped", "heat"] satisfies SystemName[]) {
      const system = systemNamed(name);
      const f = await untrained(system.window ?? 2, system.window === null ? 2 : 1, 0.8);
      const truth = drawPaths(system, 1, 40, new RandomStream(5n));
      const stretch = (await stepStretch(system, f))!;
      expect(stretch).toBeLessThanOrEqual(1 + system.h * Math.sqrt(system.window ?? 1) * 0.8 ** 3 + 1e-9);
      const roll = await rollOut(system, f, truth[0], { calls: 4, chunk: 10 });
      const { steps, measured, bound } = stepErrors(system, f, stretch, roll, truth);
      expect(steps).toEqual([10, 20, 30, 40]);
      for (const [i, value] of measured.entries()) {
        expect(value).toBeGreaterThan(0);
        expect(value).toBeLessThanOrEqual(bound[i]);
      }
    }
  });

  it("is exact for a step that errs by the same everywhere", async () => {
    const system = { ...systemNamed("undamped"), step: (x: Float64Array) => x.slice() };
    const truth = Array.from({ length: 11 }, () => Float64Array.of(1, 0));
    const f = affine([0, 0, 0, 0], [3, 4]);
    const roll = await rollOut(system, f, truth[0], { calls: 1, chunk: 10 });
    const { measured, bound } = stepErrors(system, f, 1, roll, truth);
    expect(measured[0]).toBeCloseTo(10 * 0.01 * 5, 5);
    expect(bound[0]).toBeCloseTo(10 * 0.01 * 5, 12);
  });

  it("has no constant where a coarse solver comes first", async () => {
    const system = systemNamed("kuramoto");
    expect(await stepStretch(system, affine([0, 0, 0, 0, 0, 0, 0], [0]))).toBeNull();
  });
});
