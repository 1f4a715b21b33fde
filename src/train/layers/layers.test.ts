import { defaultDevice, init, numpy as np, random, tree } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import { ShapeError, TrainError } from "../errors.ts";
import type { Module } from "../module.ts";
import { audited } from "../testing/audited.ts";
import type { LayerTree, Tensor } from "../types.ts";
import { batchNorm } from "./batch-norm.ts";
import { convTranspose2d } from "./conv-transpose.ts";
import { conv1d, conv2d } from "./convolution.ts";
import { elman } from "./elman.ts";
import { embedding } from "./embedding.ts";
import { flatten } from "./flatten.ts";
import { gru } from "./gru.ts";
import { layerNorm } from "./layer-norm.ts";
import { linear } from "./linear.ts";
import { averagePool2d, maxPool2d } from "./pooling.ts";

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

describe("the start", () => {
  it.each([
    ["conv2d", conv2d(4, 3, { padding: 1 }), [3, 5, 5], 1 / Math.sqrt(27)],
    ["conv1d in groups", conv1d(4, 5, { groups: 2 }), [6, 9], 1 / Math.sqrt(15)],
    ["convTranspose2d", convTranspose2d(4, 3), [3, 2, 2], 1 / Math.sqrt(36)],
    ["elman", elman(16), [2, 3], 1 / 4],
    ["gru", gru(16), [2, 3], 1 / 4],
  ] as const)("of %s is uniform as PyTorch's", (_, module, inputShape, limit) => {
    const { params } = module.init(random.key(5), inputShape);
    for (const array of Object.values(params as LayerTree) as Tensor[]) {
      const values = [...array.dataSync()];
      expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(limit);
      if (values.length > 30) expect(Math.max(...values.map(Math.abs))).toBeGreaterThan(0.85 * limit);
    }
  });

  it("of an embedding is normal with variance 1", () => {
    const { params } = embedding(200, 20).init(random.key(5), [7]);
    const values = [...((params as LayerTree).weight as Tensor).dataSync()];
    const variance = values.reduce((sum, v) => sum + v * v, 0) / values.length;
    expect(variance).toBeGreaterThan(0.9);
    expect(variance).toBeLessThan(1.1);
  });
});

describe("batch statistics", () => {
  it("converge to those of the data, and evaluation then uses them", () => {
    const module = batchNorm({ momentum: 0.5 });
    const variables = module.init(random.key(0), [2]);
    const data = [1, 10, 3, 10, 5, 14, 7, 14];
    const batch = () => np.array(Float32Array.from(data), { shape: [4, 2] });
    let { state } = variables;
    for (let i = 0; i < 40; i++) {
      const applied = module.apply(variables.params, state, batch(), { training: true });
      tree.dispose([applied.y, state]);
      state = applied.state;
    }
    const { y } = module.apply(variables.params, state, batch());
    // Means 4 and 12; unbiased variances 20/3 and 16/3.
    const expected = data.map((v, i) =>
      i % 2 === 0 ? (v - 4) / Math.sqrt(20 / 3) : (v - 12) / Math.sqrt(16 / 3),
    );
    [...y.dataSync()].forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i], 4);
    });
  });
});

describe("the constants that the documentation promises are those of the audit", () => {
  const plain = (data: readonly number[], shape: readonly number[]) => ({
    data: Float32Array.from(data),
    shape,
  });

  it.each([
    ["averagePool2d(2)", averagePool2d(2), 1 / 2],
    ["averagePool2d([2, 3])", averagePool2d([2, 3]), 1 / Math.sqrt(6)],
    ["maxPool2d(2)", maxPool2d(2), 1],
    ["maxPool2d(3), strides 2", maxPool2d(3, { strides: 2, padding: 1 }), 2],
    ["flatten", flatten(), 1],
  ] as const)("%s", async (_, module, constant) => {
    expect(await audited(module, [2, 6, 6])).toBeCloseTo(constant, 7);
  });

  it("averagePool2d of windows that overlap: √(∏⌈k/s⌉/k) at most", async () => {
    const upper = await audited(averagePool2d(3, { strides: 2, padding: 1 }), [2, 6, 6]);
    expect(upper).toBeGreaterThan(1 / 3);
    expect(upper).toBeLessThanOrEqual(2 / 3);
  });

  it("batchNorm: max|weight|/√(variance + ε)", async () => {
    const params = { weight: plain([1, -3], [2]), bias: plain([5, 5], [2]) };
    const state = { runningMean: plain([1, 2], [2]), runningVariance: plain([0.25, 4], [2]) };
    const upper = await audited(batchNorm(), [2, 3], { params, state });
    expect(upper).toBeCloseTo(1 / Math.sqrt(0.25 + 1e-5), 5);
  });

  it("layerNorm: max|weight|/√ε at most", async () => {
    const params = { weight: plain([1, -2, 1], [3]), bias: plain([0, 0, 0], [3]) };
    const upper = await audited(layerNorm({ epsilon: 0.01 }), [3], { params });
    expect(upper).toBeGreaterThan(10);
    expect(upper).toBeLessThanOrEqual(20 * (1 + 1e-6));
  });

  it.each(["sequence", "last"] as const)("elman, %s", async (returns) => {
    // ‖W‖ = 2 and ‖R‖ = 1/2, over three steps.
    const params = { input: plain([0, 2, 1, 0], [2, 2]), recurrent: plain([0.5, 0, 0, -0.5], [2, 2]) };
    const constant = returns === "last" ? 2 * Math.sqrt(1 + 1 / 4 + 1 / 16) : 2 * (1 + 1 / 2 + 1 / 4);
    const upper = await audited(elman(2, { returns, bias: false }), [3, 2], { params });
    expect(upper).toBeGreaterThanOrEqual(2);
    expect(upper).toBeLessThanOrEqual(constant * (1 + 1e-6));
  });
});

it("pools move by the window where strides are left undefined", () => {
  expect(maxPool2d(2, { strides: undefined as never }).outputShape([1, 6, 4])).toEqual([1, 3, 2]);
});

describe("what does not fit is refused by name", () => {
  const key = () => random.key(0);
  const started = (module: Module, shape: readonly number[]) => module.init(key(), shape);
  const applied = (module: Module, shape: readonly number[], x: Tensor, training = false) => {
    const { params, state } = started(module, shape);
    return module.apply(params, state, x, { training });
  };

  it.each([
    [() => conv2d(4, 3).init(key(), [3, 5]), "conv2d takes inputs of shape [channels, height, width]"],
    [() => conv1d(4, 3).init(key(), [3, 5, 5]), "conv1d takes inputs of shape [channels, length]"],
    [() => conv2d(4, 7).init(key(), [3, 5, 5]), "does not fit into an input of spatial size [5,5]"],
    [() => conv2d(4, 3, { groups: 2 }).init(key(), [3, 5, 5]), "2 groups do not divide the 3 input channels"],
    [() => conv2d(3, 3, { groups: 2 }), "2 groups do not divide the 3 output channels"],
    [
      () => applied(conv2d(4, 3), [3, 5, 5], np.zeros([1, 2, 5, 5])),
      "an input of 2 channels needs [4,2,3,3]",
    ],
    [() => convTranspose2d(2, 2, { padding: 2 }).init(key(), [1, 2, 2]), "leaves no output"],
    [() => maxPool2d(3).init(key(), [2, 2, 2]), "does not fit"],
    [() => averagePool2d(2).apply({}, {}, np.zeros([2, 4, 4])), "averagePool2d takes inputs of shape"],
    [() => linear(2).init(key(), []), "got a scalar"],
    [() => applied(linear(2), [4], np.zeros([3, 5])), "linear was made for 4 features"],
    [() => applied(linear(2), [4], np.zeros([4])), "got [4]"],
    [() => batchNorm().init(key(), []), "got a scalar"],
    [() => applied(batchNorm(), [3], np.zeros([2, 4])), "batchNorm was made for 3 channels"],
    [() => applied(batchNorm(), [3], np.zeros([1, 3]), true), "variance of one value"],
    [() => layerNorm({ axes: 2 }).init(key(), [3]), "the last 2 axes"],
    [() => applied(layerNorm(), [3], np.zeros([2, 4])), "inputs that end in [3]"],
    [() => elman(3).init(key(), [4]), "elman takes inputs of shape [steps, features]"],
    [() => applied(gru(3), [2, 4], np.zeros([1, 2, 5])), "gru was made for 4 features"],
  ])("shapes: %#", (make, message) => {
    expect(make).toThrow(ShapeError);
    expect(make).toThrow(message);
  });

  it.each([
    [() => conv2d(0, 3), "channels must be a whole number of 1 or more; got 0"],
    [() => conv2d(4, [3]), "the window's size must be one number or a list of 2; got a list of 1"],
    [() => conv2d(4, 2.5), "the window's size must be a whole number"],
    [() => conv2d(4, 3, { stride: 2 } as never), 'conv2d has no option "stride"'],
    [() => conv2d(4, 3, { padding: "full" as never }), 'or "same" or "valid"; got "full"'],
    [() => conv2d(4, 3, { padding: -1 }), "padding must be whole numbers of 0 or more"],
    [() => conv2d(4, 3, { padding: [1, 1] as never }), "2 pairs [before, after]"],
    [
      () =>
        conv1d(4, 3, {
          padding: [
            [1, 0],
            [0, 1],
          ],
        }),
      "1 pair [before, after]",
    ],
    [() => conv2d(4, 3, { bias: 1 as never }), "bias must be true or false"],
    [() => conv2d(4, 3, { strides: 0 }), "strides must be a whole number of 1 or more; got 0"],
    [() => convTranspose2d(4, 3, { padding: "same" as never }), "leaves the output's size open"],
    [() => convTranspose2d(4, 3, { strides: 2, outputPadding: 2 }), "less than the strides [2,2]; got 2"],
    [() => linear(4, null as never), "linear: options must be an object with bias, control; got null"],
    [() => maxPool2d(2, { padding: 2 }), "padding must be less than the window's size 2"],
    [() => embedding(10, 0), "dim must be a whole number"],
    [
      () => applied(embedding(10, 2), [3], np.zeros([1, 3])),
      "ids as whole numbers, an array of int32; got float32",
    ],
    [() => batchNorm({ momentum: 2 }), "momentum must be a number from 0 to 1; got 2"],
    [() => layerNorm({ epsilon: 0 }), "epsilon must be a positive number; got 0"],
    [() => elman(3, { returns: "all" as never }), '"sequence" or "last"; got "all"'],
    [() => elman(3, { activation: "gelu" as never }), '"tanh" or "relu"; got "gelu"'],
    [() => gru(3, { activation: "tanh" } as never), 'gru has no option "activation"'],
    [() => conv2d(4, 3, { control: { kind: "none?" } as never }).init(key(), [1, 4, 4]), "Unknown control"],
  ])("options: %#", (make, message) => {
    expect(make).toThrow(TrainError);
    expect(make).toThrow(message);
  });
});
