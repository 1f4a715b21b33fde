import { describe, expect, it } from "vitest";
import type { FloatType } from "../formats/dtype.ts";
import type { NodeDescription } from "../formats/onnx/encode.ts";
import { rescale } from "../network/homogeneity.ts";
import { signalGraph } from "../network/homogeneity-graph.ts";
import { importOnnx } from "../network/import-onnx.ts";
import {
  float32,
  int,
  int64,
  ints,
  openTestModel,
  randomNumbers,
  type TestModel,
} from "../network/testing/run-onnx.ts";
import { checkPreserved } from "./preserve-check.ts";

const random = randomNumbers(11);
const numbers = (count: number) => Array.from({ length: count }, random);

/** Convolution, pooling, a split whose halves are sorted (MaxMin) and meet again, the two largest, a dense layer, a clip. */
const model: TestModel = {
  opset: 17,
  inputs: [{ name: "x", shape: [1, 2, 6, 6] }],
  outputs: [{ name: "y" }],
  initializers: [
    float32("k", numbers(4 * 2 * 9), [4, 2, 3, 3]),
    float32("kb", numbers(4)),
    float32("g", numbers(4)),
    float32("s", numbers(4)),
    float32("mean", numbers(4)),
    float32("var", numbers(4).map(Math.abs)),
    int64("flat", [1, 16]),
    int64("three", [3]),
    float32("w", numbers(9), [3, 3]),
    float32("b", numbers(3)),
    float32("lo", [0], []),
    float32("hi", [0.7], []),
  ],
  nodes: [
    { name: "conv", opType: "Conv", inputs: ["x", "k", "kb"], outputs: ["c"] },
    { name: "bn", opType: "BatchNormalization", inputs: ["c", "g", "s", "mean", "var"], outputs: ["n"] },
    {
      name: "pool",
      opType: "MaxPool",
      inputs: ["n"],
      outputs: ["p"],
      attributes: { kernel_shape: ints([2, 2]), strides: ints([2, 2]) },
    },
    { name: "split", opType: "Split", inputs: ["p"], outputs: ["p1", "p2"], attributes: { axis: int(1) } },
    { name: "max", opType: "Max", inputs: ["p1", "p2"], outputs: ["larger"] },
    { name: "min", opType: "Min", inputs: ["p1", "p2"], outputs: ["smaller"] },
    {
      name: "meet",
      opType: "Concat",
      inputs: ["larger", "smaller"],
      outputs: ["q"],
      attributes: { axis: int(1) },
    },
    { name: "reshape", opType: "Reshape", inputs: ["q", "flat"], outputs: ["f"] },
    { name: "top", opType: "TopK", inputs: ["f", "three"], outputs: ["t", "places"] },
    { name: "fc", opType: "Gemm", inputs: ["t", "w", "b"], outputs: ["z"] },
    { name: "six", opType: "Clip", inputs: ["z", "lo", "hi"], outputs: ["y"] },
  ] satisfies NodeDescription[],
};

/** The model with its tensors multiplied and rounded as for a file, apart from what `spoil` does to one of them. */
async function check(spoil: Readonly<Record<string, number>> = {}, weights = { k: 0.25, w: 3 }) {
  const opened = await openTestModel(model);
  const graph = await signalGraph(opened);
  const factors: Readonly<Record<string, number>> = weights;
  const rescaling = rescale(graph, ({ name }) => factors[name] ?? 1);
  const by = new Map(rescaling.demands.map(({ tensor, multiplier }) => [tensor.name, multiplier]));
  const renewed = await openTestModel({
    ...model,
    initializers: model.initializers!.map((tensor) =>
      tensor.data instanceof Float32Array
        ? {
            ...tensor,
            data: tensor.data.map((x) => x * (by.get(tensor.name) ?? 1) * (spoil[tensor.name] ?? 1)),
          }
        : tensor,
    ),
  });
  const networks = { old: await importOnnx(opened), renewed: await importOnnx(renewed), graph, ...rescaling };
  return checkPreserved({ ...networks, types: new Set<FloatType>(["float32"]) }, 5n, undefined);
}

describe("checkPreserved", () => {
  it("accepts what rounding to the file's type explains, and measures it", async () => {
    const { inputs, difference } = await check();
    expect(inputs).toBe(3);
    expect(difference).toBeGreaterThan(0);
    expect(difference).toBeLessThan(1e-6);
  });

  it.each([
    ["kb", 'Conv "conv"'],
    ["s", 'BatchNormalization "bn"'],
    ["mean", 'BatchNormalization "bn"'],
    ["w", 'Gemm "fc"'],
    ["b", 'Gemm "fc"'],
    ["hi", 'Clip "six"'],
  ])("notices a %s that is off by a part in a hundred thousand, at its node", async (name, where) => {
    await expect(check({ [name]: 1 + 1e-5 })).rejects.toMatchObject({
      name: "PromiseError",
      message: expect.stringMatching(new RegExp(`^${where} of the file as written gives`)),
    });
  });

  it("notices values that the network's own type cannot hold", async () => {
    await expect(check({}, { k: 1e-30, w: 1e-12 })).rejects.toThrow(
      /^Gemm "fc": its values would be as small as \S+e-4\d, which float32 cannot hold; choose a --to nearer/,
    );
  });
});
