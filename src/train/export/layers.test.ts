import { defaultDevice, init, random, tree } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import { parallel, residual, sequential } from "../compositions.ts";
import { spectralNorm } from "../controls/spectral-norm.ts";
import { abs, gelu, leakyRelu, sigmoid, silu, softplus, tanh } from "../layers/activations.ts";
import { batchNorm } from "../layers/batch-norm.ts";
import { convTranspose2d } from "../layers/conv-transpose.ts";
import { conv1d, conv2d } from "../layers/convolution.ts";
import { elman } from "../layers/elman.ts";
import { embedding } from "../layers/embedding.ts";
import { flatten } from "../layers/flatten.ts";
import { gru } from "../layers/gru.ts";
import { layerNorm } from "../layers/layer-norm.ts";
import { linear } from "../layers/linear.ts";
import { lstm } from "../layers/lstm.ts";
import { averagePool2d, maxPool2d } from "../layers/pooling.ts";
import { relu } from "../layers/relu.ts";
import { fullSort, groupSort, maxMin } from "../layers/sorting.ts";
import type { Module } from "../module.ts";
import { expectOnlyLent } from "../testing/async-ownership.ts";
import { exportOnnx } from "./onnx.ts";

const control = spectralNorm();
const half = spectralNorm({ cap: 0.5 });
const reshaped = spectralNorm({ cap: 0.7, norm: "reshaped" });

const NETWORKS: readonly (readonly [name: string, net: Module, inputShape: readonly number[]])[] = [
  ["linear", linear(3, { control }), [5]],
  ["linear over positions", linear(4, { control, bias: false }), [3, 5]],
  ["conv1d", conv1d(4, 3, { control, padding: "same" }), [2, 8]],
  ["conv2d with strides", sequential(conv2d(4, 3, { control, strides: 2, padding: 1 }), relu()), [2, 6, 6]],
  ["conv2d with groups and dilation", conv2d(4, 2, { control: half, groups: 2, dilations: 2 }), [2, 6, 6]],
  ["conv2d, reshaped norm", conv2d(4, 3, { control: reshaped }), [2, 5, 5]],
  ["convTranspose2d", convTranspose2d(4, 3, { control, strides: 2, outputPadding: 1 }), [2, 3, 3]],
  ["convTranspose2d, reshaped norm", convTranspose2d(3, 3, { control: reshaped, strides: 2 }), [2, 3, 3]],
  ["embedding", sequential(embedding(7, 5, { control }), flatten(), linear(2, { control })), [3]],
  ["averagePool2d", sequential(averagePool2d(2), flatten()), [2, 4, 4]],
  ["maxPool2d", sequential(maxPool2d(3, { strides: 2, padding: 1 }), flatten()), [2, 5, 5]],
  ["batchNorm", sequential(conv2d(3, 2), batchNorm(), flatten(), linear(2), batchNorm()), [2, 3, 3]],
  ["layerNorm", sequential(linear(6), layerNorm()), [5]],
  ["elman", elman(5, { control, inputControl: half, activation: "relu" }), [4, 3]],
  ["gru", sequential(gru(4, { control: half, returns: "last" }), linear(2, { control })), [4, 3]],
  ["lstm", lstm(3, { control: reshaped, inputControl: control }), [4, 3]],
  ["activations", sequential(linear(6), leakyRelu(0.2), tanh(), abs(), sigmoid()), [5]],
  ["smooth activations", sequential(linear(6), softplus(), gelu(), silu()), [5]],
  ["sorting", sequential(maxMin(), linear(8), groupSort(4), linear(6), fullSort()), [4]],
  ["sorting channels", sequential(conv2d(4, 2), maxMin(), groupSort(4)), [2, 3, 3]],
  [
    "branches",
    sequential(parallel(linear(4, { control }), linear(3)), residual(linear(7, { control: half }))),
    [5],
  ],
  ["nothing", flatten(), [5]],
];

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

describe("exportOnnx", () => {
  it.each(NETWORKS)(
    "writes %s as onnxruntime runs it, with its promises proved",
    async (_name, net, inputShape) => {
      const { params, state } = net.init(random.key(1), inputShape);
      // A file that computes something else than the baked network is refused whatever the tolerance.
      const { report, layers, difference, comparedWith } = await expectOnlyLent({ params, state }, () =>
        exportOnnx(net, params, state, { inputShape, tolerance: 0.5 }),
      );
      expect(comparedWith).toBe("onnxruntime-node");
      expect(difference).toBeLessThan(0.5);
      expect(layers.map(({ name }) => name)).toEqual(
        net.weights(inputShape).map(({ path, slot }) => [...path, slot.name].join(".")),
      );
      for (const { cap, sigma } of layers) {
        expect(sigma?.guarantee).toBe("proof");
        if (cap !== null) expect(sigma!.upper).toBeLessThanOrEqual(cap);
        if (cap !== null) expect(sigma!.lower).toBeGreaterThan(0.99 * cap);
      }
      expect(report.problems.filter(({ severity }) => severity === "error")).toEqual([]);
      expect(report.coverage.unaudited ?? []).toEqual([]);
      tree.dispose([params, state] as never);
    },
  );
});
