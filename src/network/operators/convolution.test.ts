import { describe, expect, it } from "vitest";
import type { AttributeDescription } from "../../formats/onnx/encode.ts";
import { forward, outputsOf } from "../evaluate.ts";
import { importOnnx } from "../import-onnx.ts";
import { checkModel } from "../testing/check-operation.ts";
import {
  float32,
  int,
  ints,
  openTestModel,
  randomNumbers,
  string,
  type TestModel,
} from "../testing/run-onnx.ts";

type Attributes = Readonly<Record<string, AttributeDescription>>;

function numbers(shape: readonly number[], seed: number): Float32Array {
  const random = randomNumbers(seed);
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, random);
}

interface Case {
  readonly name: string;
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly attributes?: Attributes;
  readonly bias?: number;
}

function model(opType: string, { x, w, attributes = {}, bias }: Case, opset = 11): TestModel {
  return {
    opset,
    nodes: [{ opType, inputs: bias ? ["x", "w", "b"] : ["x", "w"], outputs: ["y"], attributes }],
    initializers: [float32("w", numbers(w, 3), w), ...(bias ? [float32("b", numbers([bias], 4))] : [])],
    inputs: [{ name: "x", shape: x }],
    outputs: [{ name: "y" }],
  };
}

const CONVOLUTIONS: readonly Case[] = [
  { name: "one axis", x: [1, 2, 9], w: [3, 2, 3], bias: 3 },
  { name: "one axis, batch, stride", x: [3, 2, 9], w: [3, 2, 4], attributes: { strides: ints([2]) } },
  { name: "two axes", x: [1, 2, 5, 6], w: [3, 2, 3, 3], attributes: { pads: ints([1, 1, 1, 1]) }, bias: 3 },
  {
    name: "batch, strides, dilations, uneven padding",
    x: [2, 2, 7, 6],
    w: [2, 2, 2, 3],
    attributes: { strides: ints([2, 1]), dilations: ints([1, 2]), pads: ints([0, 2, 1, 1]) },
  },
  { name: "groups", x: [2, 4, 4, 4], w: [6, 2, 2, 2], attributes: { group: int(2) }, bias: 6 },
  {
    name: "depthwise",
    x: [1, 3, 5, 5],
    w: [3, 1, 3, 3],
    attributes: { group: int(3), kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) },
  },
  { name: "three axes", x: [1, 2, 3, 4, 3], w: [2, 2, 2, 2, 2], bias: 2 },
  {
    name: "SAME_UPPER",
    x: [1, 1, 5, 6],
    w: [2, 1, 2, 3],
    attributes: { auto_pad: string("SAME_UPPER"), strides: ints([2, 2]) },
  },
  {
    name: "SAME_LOWER",
    x: [1, 1, 5, 6],
    w: [2, 1, 2, 3],
    attributes: { auto_pad: string("SAME_LOWER"), strides: ints([2, 2]) },
  },
  {
    name: "VALID",
    x: [1, 1, 5, 6],
    w: [2, 1, 2, 3],
    attributes: { auto_pad: string("VALID"), strides: ints([2, 3]) },
  },
];

describe("Conv", () => {
  for (const c of CONVOLUTIONS) it(c.name, async () => void (await checkModel(model("Conv", c))));

  it("operator sets 7 and 22", async () => {
    for (const opset of [7, 22]) await checkModel(model("Conv", CONVOLUTIONS[3], opset), { points: 2 });
  });

  it("takes a bias that depends on the input", async () => {
    const nodes = [
      { opType: "GlobalAveragePool", inputs: ["x"], outputs: ["m"] },
      { opType: "Reshape", inputs: ["m", "flat"], outputs: ["b"] },
      { opType: "Conv", inputs: ["x", "w", "b"], outputs: ["y"] },
    ];
    const base = model("Conv", { name: "", x: [1, 2, 4, 4], w: [2, 2, 3, 3] });
    const flat = { name: "flat", dtype: "int64", shape: [1], data: BigInt64Array.of(2n) };
    await checkModel({ ...base, nodes, initializers: [...(base.initializers ?? []), flat] });
  });

  it("says why a computed kernel is refused", async () => {
    const base = model("Conv", { name: "", x: [1, 2, 4, 4], w: [2, 2, 3, 3] });
    const computed = { ...base, nodes: [{ opType: "Conv", inputs: ["x", "x"], outputs: ["y"] }] };
    await expect(importOnnx(await openTestModel(computed))).rejects.toThrow(
      /Conv "Conv_0" cannot be run: its kernel depends on the network's input/,
    );
  });

  it("says what does not fit", async () => {
    const c = { name: "", x: [1, 3, 4, 4], w: [2, 2, 3, 3] };
    await expect(importOnnx(await openTestModel(model("Conv", c)))).rejects.toThrow(
      /expects 2 input channels, the graph gives 3/,
    );
    const cropped = { ...c, w: [2, 3, 3, 3], attributes: { pads: ints([-1, 0, 0, 0]) } };
    await expect(importOnnx(await openTestModel(model("Conv", cropped)))).rejects.toThrow(/negative padding/);
  });
});

const TRANSPOSED: readonly Case[] = [
  { name: "one axis", x: [2, 3, 5], w: [3, 2, 4], attributes: { strides: ints([2]) }, bias: 2 },
  { name: "two axes", x: [1, 2, 3, 4], w: [2, 3, 3, 3], attributes: { pads: ints([1, 0, 1, 2]) } },
  {
    name: "stride as the kernel",
    x: [1, 3, 3, 3],
    w: [3, 2, 2, 2],
    attributes: { strides: ints([2, 2]) },
    bias: 2,
  },
  {
    name: "groups, dilations, batch",
    x: [2, 4, 3, 3],
    w: [4, 2, 2, 3],
    attributes: { group: int(2), dilations: ints([2, 1]), strides: ints([1, 2]) },
    bias: 4,
  },
  {
    name: "output padding",
    x: [1, 2, 3, 3],
    w: [2, 1, 3, 3],
    attributes: { strides: ints([3, 2]), output_padding: ints([2, 1]), pads: ints([0, 1, 1, 0]) },
    bias: 1,
  },
  {
    name: "output shape",
    x: [1, 1, 3, 3],
    w: [1, 2, 3, 3],
    attributes: { strides: ints([3, 2]), output_shape: ints([10, 8]) },
  },
  {
    name: "smaller output shape",
    x: [1, 1, 3, 3],
    w: [1, 2, 3, 3],
    attributes: { strides: ints([3, 2]), output_shape: ints([8, 6]) },
  },
  {
    name: "SAME_UPPER",
    x: [1, 2, 3, 4],
    w: [2, 1, 3, 3],
    attributes: { strides: ints([2, 2]), auto_pad: string("SAME_UPPER") },
  },
  {
    name: "SAME_LOWER",
    x: [1, 2, 3, 4],
    w: [2, 1, 3, 3],
    attributes: { strides: ints([2, 2]), auto_pad: string("SAME_LOWER") },
  },
  { name: "stride beyond the kernel", x: [1, 1, 3], w: [1, 1, 2], attributes: { strides: ints([4]) } },
  {
    name: "three axes",
    x: [1, 2, 2, 2, 3],
    w: [2, 1, 2, 2, 2],
    attributes: { strides: ints([2, 1, 2]) },
    bias: 1,
  },
];

describe("ConvTranspose", () => {
  for (const c of TRANSPOSED) it(c.name, async () => void (await checkModel(model("ConvTranspose", c))));
});

describe("ConvTranspose with more output padding than a stride", () => {
  // onnxruntime refuses it: the outputs past the last window are zero.
  for (const [pads, zeros] of [
    [[0, 0], 2],
    [[0, 1], 1],
  ] as const) {
    it(`of padding ${pads}`, async () => {
      const c: Case = { name: "", x: [1, 1, 3], w: [1, 2, 2], attributes: { dilations: ints([3]) } };
      const longer = { ...c.attributes, output_padding: ints([2]), pads: ints(pads) };
      const network = await checkModel(model("ConvTranspose", { ...c, attributes: longer }), {
        runtime: false,
      });
      const plain = await importOnnx(await openTestModel(model("ConvTranspose", c)));
      const x = Float64Array.of(1, -2, 0.5);
      const [y] = outputsOf(network, forward(network, [x]));
      const [full] = outputsOf(plain, forward(plain, [x]));
      const channels = [full.subarray(0, 6), full.subarray(6)];
      expect([...y]).toEqual(channels.flatMap((row) => [...row, ...new Array<number>(zeros).fill(0)]));
    });
  }
});

describe("fused and channels-last convolutions", () => {
  const fused = (attributes: Attributes, inputs: readonly string[] = ["x", "w", "b"]): TestModel => {
    const base = model("FusedConv", { name: "", x: [2, 2, 4, 4], w: [2, 2, 3, 3], bias: 2 });
    const [node] = base.nodes;
    return {
      ...base,
      domains: { "com.microsoft": 1 },
      nodes: [{ ...node, inputs, domain: "com.microsoft", attributes }],
    };
  };

  it("becomes a convolution and its activation", async () => {
    const network = await checkModel(fused({ activation: string("Relu") }));
    expect(network.nodes.map((n) => [n.op, n.operation.kind])).toEqual([
      ["FusedConv", "affine"],
      ["Relu", "elementwise"],
    ]);
  });

  it("takes the activation's parameters", async () => {
    const params = (values: readonly number[]) => ({ kind: "floats", value: values }) as const;
    await checkModel(fused({ activation: string("LeakyRelu"), activation_params: params([0.25]) }));
    await checkModel(fused({ activation: string("HardSigmoid"), activation_params: params([0.3, 0.4]) }));
    await checkModel(fused({ activation: string("Clip"), activation_params: params([-0.2, 0.5]) }));
  });

  it("adds a fourth input", async () => {
    const base = fused({ activation: string("Relu") }, ["x", "w", "b", "z"]);
    await checkModel({ ...base, inputs: [...base.inputs, { name: "z", shape: [2, 2, 2, 2] }] });
  });

  // onnxruntime's CPU has channels-last convolutions for float16 only: compare with Conv between transposes.
  it("reads channels last", async () => {
    const c: Case = {
      name: "",
      x: [2, 5, 4, 3],
      w: [4, 3, 3, 2],
      attributes: { pads: ints([1, 0, 0, 1]) },
      bias: 4,
    };
    const last = model("NhwcConv", c);
    const [node] = last.nodes;
    const nhwc = { ...last, domains: { "com.microsoft": 1 }, nodes: [{ ...node, domain: "com.microsoft" }] };
    const nodes = [
      { opType: "Transpose", inputs: ["x"], outputs: ["first"], attributes: { perm: ints([0, 3, 1, 2]) } },
      { ...node, opType: "Conv", inputs: ["first", "w", "b"], outputs: ["z"] },
      { opType: "Transpose", inputs: ["z"], outputs: ["y"], attributes: { perm: ints([0, 2, 3, 1]) } },
    ];
    const network = await checkModel(nhwc, { runtime: false });
    const reference = await importOnnx(await openTestModel({ ...last, nodes }));
    const x = Float64Array.from(numbers(c.x, 9));
    expect(outputsOf(network, forward(network, [x]))).toEqual(outputsOf(reference, forward(reference, [x])));
    expect(network.outputs[0].shape).toEqual(reference.outputs[0].shape);
  });
});
