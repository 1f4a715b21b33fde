import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { defaultDevice, init, tree } from "@jax-js/jax";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openModel } from "../../formats/open.ts";
import { parallel, residual, sequential } from "../compositions.ts";
import { bjorck } from "../controls/bjorck.ts";
import { spectralNorm } from "../controls/spectral-norm.ts";
import { leakyRelu, tanh } from "../layers/activations.ts";
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
import { groupSort, maxMin } from "../layers/sorting.ts";
import type { Module } from "../module.ts";
import { expectOnlyLent } from "../testing/async-ownership.ts";
import { trainedBriefly } from "../testing/short-training.ts";
import { type Baked, bake, usingBaked } from "./bake.ts";
import { outputsFor, sampleBatches } from "./compare.ts";
import { exportSafetensors } from "./safetensors.ts";

const PYTHON = "/usr/bin/python3";
const script = fileURLToPath(new URL("../../../test/oracles/torch_load.py", import.meta.url));
const hasTorch = spawnSync(PYTHON, ["-c", "import torch, numpy"]).status === 0;
if (!hasTorch) {
  console.log(
    `safetensors.test.ts: loading into torch skipped, ${PYTHON} has no torch (apt-get install python3-torch)`,
  );
}

const folder = mkdtempSync(join(tmpdir(), "lipschitz-safetensors-"));
afterAll(() => rmSync(folder, { recursive: true }));

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

/** A module of torch.nn, for torch_load.py. */
interface TorchModule {
  readonly class: string;
  readonly arguments?: readonly unknown[];
  readonly options?: object;
  readonly children?: readonly TorchModule[];
}

const torch = (name: string, arguments_: readonly unknown[] = [], options: object = {}): TorchModule => ({
  class: name,
  arguments: arguments_,
  options,
});
const around = (name: string, ...children: TorchModule[]): TorchModule => ({ class: name, children });

interface Pair {
  readonly name: string;
  readonly net: Module;
  readonly twin: TorchModule;
  readonly inputShape: readonly number[];
  readonly ids?: number;
  readonly names: readonly string[];
}

const control = spectralNorm({ iterations: 3 });

const PAIRS: readonly Pair[] = [
  {
    name: "dense layers",
    net: sequential(
      linear(8, { control }),
      maxMin(),
      linear(6, { control: bjorck() }),
      groupSort(3),
      linear(2, { bias: false }),
    ),
    twin: around(
      "Sequential",
      torch("Linear", [5, 8]),
      torch("GroupSort", [2]),
      torch("Linear", [8, 6]),
      torch("GroupSort", [3]),
      torch("Linear", [6, 2], { bias: false }),
    ),
    inputShape: [5],
    names: ["0.weight", "0.bias", "2.weight", "2.bias", "4.weight"],
  },
  {
    name: "convolutions",
    net: sequential(
      conv2d(4, 3, { control, strides: 2, padding: 1 }),
      batchNorm(),
      leakyRelu(0.1),
      residual(conv2d(4, 1, { control, groups: 2 })),
      convTranspose2d(2, 2, { control, strides: 2 }),
      maxPool2d(2),
      averagePool2d(2),
      flatten(),
      linear(3),
    ),
    twin: around(
      "Sequential",
      torch("Conv2d", [2, 4, 3], { stride: 2, padding: 1 }),
      torch("BatchNorm2d", [4]),
      torch("LeakyReLU", [0.1]),
      around("Residual", torch("Conv2d", [4, 4, 1], { groups: 2 })),
      torch("ConvTranspose2d", [4, 2, 2], { stride: 2 }),
      torch("MaxPool2d", [2]),
      torch("AvgPool2d", [2]),
      torch("Flatten"),
      torch("Linear", [8, 3]),
    ),
    inputShape: [2, 8, 8],
    names: [
      ...["0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"],
      ...["3.0.weight", "3.0.bias", "4.weight", "4.bias", "8.weight", "8.bias"],
    ],
  },
  {
    name: "sequences",
    net: sequential(
      embedding(7, 4, { control }),
      lstm(4, { control, inputControl: control }),
      gru(3, { control }),
      elman(4, { control, returns: "last" }),
      layerNorm(),
      linear(2),
    ),
    twin: around(
      "Sequential",
      torch("Embedding", [7, 4]),
      torch("LSTM", [4, 4]),
      torch("GRU", [4, 3]),
      torch("RNN", [3, 4], { returns: "last" }),
      torch("LayerNorm", [[4]]),
      torch("Linear", [4, 2]),
    ),
    inputShape: [3],
    ids: 7,
    names: [
      "0.weight",
      ...["1", "2", "3"].flatMap((i) =>
        ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"].map((name) => `${i}.${name}`),
      ),
      ...["4.weight", "4.bias", "5.weight", "5.bias"],
    ],
  },
  {
    name: "branches",
    net: sequential(
      parallel(conv1d(2, 3, { control }), conv1d(3, 3)),
      tanh(),
      flatten(),
      relu(),
      linear(2, { control }),
    ),
    twin: around(
      "Sequential",
      around("Parallel", torch("Conv1d", [2, 2, 3]), torch("Conv1d", [2, 3, 3])),
      torch("Tanh"),
      torch("Flatten"),
      torch("ReLU"),
      torch("Linear", [20, 2]),
    ),
    inputShape: [2, 6],
    names: ["0.0.weight", "0.0.bias", "0.1.weight", "0.1.bias", "4.weight", "4.bias"],
  },
];

interface TorchOutput {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

function torchOutputs(request: object): TorchOutput[] {
  return JSON.parse(execFileSync(PYTHON, [script], { input: JSON.stringify(request), encoding: "utf8" }));
}

describe("exportSafetensors", () => {
  it.each(PAIRS)(
    "writes $name with PyTorch's names, proved",
    async ({ name, net, twin, inputShape, ids, names }) => {
      const variables = await trainedBriefly(net, inputShape, {
        steps: 5,
        settle: 30,
        learningRate: 0.02,
        ...(ids ? { ids } : {}),
      });
      const { params, state } = variables;
      const path = join(folder, `${name}.safetensors`);
      const { bytes, layers } = await expectOnlyLent(variables, () =>
        exportSafetensors(net, params, state, { inputShape, path }),
      );
      const model = await openModel(path);
      expect(model.tensors.map((tensor) => tensor.name).sort()).toEqual([...names].sort());
      expect(model.tensors.every(({ dtype }) => dtype === "float32")).toBe(true);
      await model.close();
      for (const { cap, sigma } of layers) {
        if (cap !== null) expect(sigma!.upper).toBeLessThanOrEqual(cap);
      }
      expect(bytes.length % 4).toBe(0);
      if (hasTorch)
        await compareWithTorch(
          path,
          await bake(net, variables, inputShape, { prove: true }),
          net,
          twin,
          inputShape,
          ids,
        );
      tree.dispose([params, state] as never);
    },
  );
});

/** Outputs of torch's module with the file's weights, against ours with the baked ones. */
async function compareWithTorch(
  path: string,
  baked: Baked,
  net: Module,
  twin: TorchModule,
  inputShape: readonly number[],
  ids: number | undefined,
): Promise<void> {
  const batches = sampleBatches(
    inputShape,
    ids === undefined ? { kind: "numbers" } : { kind: "ids", count: ids },
  );
  const ours = await usingBaked(baked, (variables) => outputsFor(net, variables, batches));
  const inputs = batches.map(({ data, shape }) => ({ data: [...data], shape, ids: ids !== undefined }));
  const theirs = torchOutputs({ file: path, module: twin, inputs });
  ours.forEach((output, b) => {
    expect(theirs[b]!.shape).toEqual([batches[b]!.shape[0], ...net.outputShape(inputShape)]);
    Array.from(output).forEach((value, i) => {
      const gap = Math.abs(value - theirs[b]!.data[i]!);
      expect(gap, `batch ${b}, output ${i}`).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(value)));
    });
  });
}
