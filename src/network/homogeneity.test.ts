import { describe, expect, it } from "vitest";
import type { NodeDescription } from "../formats/onnx/encode.ts";
import { rescale } from "./homogeneity.ts";
import { signalGraph } from "./homogeneity-graph.ts";
import { checkRescaling, type Factors, rescaled } from "./testing/rescaled.ts";
import {
  encodeTestModel,
  float,
  float32,
  type Initializers,
  int,
  int64,
  ints,
  openTestModel,
  randomNumbers,
  string,
  type TestModel,
} from "./testing/run-onnx.ts";

const random = randomNumbers(3);
const numbers = (count: number) => Array.from({ length: count }, random);
const positive = (count: number) => numbers(count).map((x) => 0.5 + Math.abs(x));

/** x 1×4 → MatMul W 4×4 → + b, then what is under test, from "h". */
function behind(
  nodes: readonly NodeDescription[],
  initializers: Initializers = [],
  options: { readonly opset?: number; readonly outputs?: readonly string[] } = {},
): TestModel {
  const first: NodeDescription[] = [
    { name: "dense", opType: "MatMul", inputs: ["x", "W"], outputs: ["m"] },
    { name: "bias", opType: "Add", inputs: ["m", "b"], outputs: ["h"] },
  ];
  return {
    opset: options.opset ?? 17,
    inputs: [{ name: "x", shape: [1, 4] }],
    outputs: (options.outputs ?? ["y"]).map((name) => ({ name })),
    initializers: [float32("W", numbers(16), [4, 4]), float32("b", numbers(4)), ...initializers],
    nodes: [...first, ...nodes],
  };
}

/** x 1×2×6×6, then what is under test. */
function image(
  nodes: readonly NodeDescription[],
  initializers: Initializers,
  options: { readonly opset?: number; readonly outputs?: readonly string[] } = {},
): TestModel {
  const conv: NodeDescription = { name: "c", opType: "Conv", inputs: ["x", "K", "kb"], outputs: ["h"] };
  return {
    opset: options.opset ?? 17,
    inputs: [{ name: "x", shape: [1, 2, 6, 6] }],
    outputs: (options.outputs ?? ["y"]).map((name) => ({ name })),
    initializers: [
      float32("K", numbers(3 * 2 * 9), [3, 2, 3, 3]),
      float32("kb", numbers(3)),
      ...initializers,
    ],
    nodes: [conv, ...nodes],
  };
}

const node = (
  opType: string,
  inputs: readonly string[] = ["h"],
  attributes: NodeDescription["attributes"] = {},
  outputs: readonly string[] = ["y"],
): NodeDescription => ({ name: `${opType} of ${outputs[0]}`, opType, inputs, outputs, attributes });

const HALF: Factors = { W: 0.5 };

async function scaleOf(model: TestModel, factors: Factors = HALF): Promise<number> {
  return (await checkRescaling(model, factors)).scales[0];
}

/** Operators that pass the factor on, with attributes and the shape of their input. */
const PASSING: [opType: string, attributes?: NodeDescription["attributes"], shape?: number[]][] = [
  ["Relu"],
  ["LeakyRelu", { alpha: float(-0.5) }],
  ["Abs"],
  ["Neg"],
  ["Identity"],
  ["Dropout"],
  ["GlobalLpPool", undefined, [1, 2, 2]],
  ["ReduceMean", { axes: ints([1]) }],
  ["ReduceMax", { axes: ints([1]) }],
  ["ReduceMin", { axes: ints([1]) }],
  ["ReduceL1", { axes: ints([1]) }],
  ["ReduceL2", { axes: ints([1]) }],
  ["Flatten"],
  ["Transpose"],
  ["DepthToSpace", { blocksize: int(2) }, [1, 4, 1, 1]],
  ["SpaceToDepth", { blocksize: int(2) }, [1, 1, 2, 2]],
  ["ThresholdedRelu", { alpha: float(0) }],
  ["Cast", { to: int(11) }],
];

describe("rescale", () => {
  it.each(PASSING)("%s passes the factor on", async (opType, attributes = {}, shape = [1, 4]) => {
    const reshape = node("Reshape", ["h", "shape"], {}, ["r"]);
    const model = behind([reshape, node(opType, ["r"], attributes)], [int64("shape", shape)]);
    const dtype = opType === "Cast" ? { outputs: [{ name: "y", dtype: "float64" }] } : {};
    expect(await scaleOf({ ...model, ...dtype })).toBe(0.5);
  });

  it.each([
    ["MaxPool", { kernel_shape: ints([2, 2]) }],
    ["AveragePool", { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) }],
    ["LpPool", { kernel_shape: ints([2, 2]), p: int(2) }],
    ["GlobalAveragePool", {}],
    ["GlobalMaxPool", {}],
  ])("%s passes the factor on", async (opType, attributes) => {
    expect(await scaleOf(image([node(opType, ["h"], attributes)], []), { K: 0.25 })).toBe(0.25);
  });

  it("biases of all layers follow the product of the factors before them", async () => {
    const model = behind(
      [
        node("Relu", ["h"], {}, ["r"]),
        node("Gemm", ["r", "V", "c"], { alpha: float(0.7), beta: float(-3), transB: int(1) }),
      ],
      [float32("V", numbers(12), [3, 4]), float32("c", numbers(3))],
    );
    expect(await checkRescaling(model, { W: 0.5, V: 3 })).toEqual({
      by: { W: 0.5, b: 0.5, V: 3, c: 1.5 },
      scales: [1.5],
    });
  });

  it("convolutions, transposed ones and batch normalisation: mean with the input, shift with the output", async () => {
    const model = image(
      [
        node("BatchNormalization", ["h", "g", "s", "mean", "var"], {}, ["n"]),
        node("Relu", ["n"], {}, ["r"]),
        node("ConvTranspose", ["r", "T", "tb"], { strides: ints([2, 2]) }),
      ],
      [
        ...["g", "s", "mean"].map((name) => float32(name, numbers(3))),
        float32("var", positive(3)),
        float32("T", numbers(3 * 2 * 4), [3, 2, 2, 2]),
        float32("tb", numbers(2)),
      ],
    );
    expect(await checkRescaling(model, { K: 0.5, T: 0.5 })).toEqual({
      by: { K: 0.5, kb: 0.5, g: 1, s: 0.5, mean: 0.5, var: 1, T: 0.5, tb: 0.25 },
      scales: [0.25],
    });
  });

  it("fused convolutions and their activations", async () => {
    const fused = { ...node("FusedConv", ["h", "T", "tb"]), domain: "com.microsoft" };
    const model = {
      ...image(
        [{ ...fused, attributes: { activation: string("Relu") } }],
        [float32("T", numbers(2 * 3 * 4), [2, 3, 2, 2]), float32("tb", numbers(2))],
      ),
      domains: { "com.microsoft": 1 },
    };
    expect((await checkRescaling(model, { K: 0.5, T: 0.5 })).by).toMatchObject({ tb: 0.25 });
    const curved = {
      ...model,
      nodes: [model.nodes[0], { ...fused, attributes: { activation: string("Tanh") } }],
    };
    await expect(rescaled(curved, { T: 0.5 })).rejects.toThrow(
      'FusedConv "FusedConv of y": its fused Tanh is curved, so multiplying its input does not multiply its output',
    );
  });

  it("products with constants keep them; products of signals multiply", async () => {
    const model = behind(
      [
        node("Mul", ["h", "k"], {}, ["hk"]),
        node("Div", ["hk", "d"], {}, ["hd"]),
        node("Mul", ["hd", "h"], {}, ["hh"]),
        node("Abs", ["h"], {}, ["a"]),
        node("Add", ["a", "one"], {}, ["a1"]),
        node("Div", ["hh", "a1"]),
      ],
      [float32("k", numbers(4)), float32("d", [-2]), float32("one", [1])],
    );
    const { by, scales } = await checkRescaling(model, HALF);
    expect(by).toMatchObject({ k: 1, d: 1, one: 0.5 });
    expect(scales).toEqual([0.5]);
  });

  it.each([
    ["MatMul of two signals", [node("Transpose", ["h"], {}, ["t"]), node("MatMul", ["t", "h"])], 0.25],
    ["Einsum", [node("Einsum", ["h", "h"], { equation: string("ij,kj->ik") })], 0.25],
    ["ReduceSumSquare", [node("ReduceSumSquare", ["h"], { axes: ints([1]) })], 0.25],
    ["Sqrt", [node("Abs", ["h"], {}, ["a"]), node("Sqrt", ["a"])], Math.SQRT1_2],
    ["Reciprocal", [node("Reciprocal")], 2],
    ["LpNormalization", [node("LpNormalization", ["h"], { axis: int(1) })], 1],
  ] as const)("%s", async (_, nodes, scale) => {
    expect(await scaleOf(behind(nodes))).toBeCloseTo(scale, 12);
  });

  it("a layer normalisation written out: its ε follows the square of its input", async () => {
    const model = behind(
      [
        node("ReduceMean", ["h"], { axes: ints([1]) }, ["mean"]),
        node("Sub", ["h", "mean"], {}, ["d"]),
        node("Pow", ["d", "two"], {}, ["q"]),
        node("ReduceMean", ["q"], { axes: ints([1]) }, ["v"]),
        node("Add", ["v", "eps"], {}, ["ve"]),
        node("Sqrt", ["ve"], {}, ["sd"]),
        node("Div", ["d", "sd"], {}, ["n"]),
        node("Add", ["n", "c"]),
      ],
      [float32("two", [2], []), float32("eps", [0.25], []), float32("c", numbers(4))],
    );
    expect(await checkRescaling(model, HALF)).toEqual({
      by: { W: 0.5, b: 0.5, two: 1, eps: 0.25, c: 1 },
      scales: [1],
    });
  });

  it("Max, Min and Clip scale their constants; ReLU6 stays the same function", async () => {
    const model = behind(
      [
        node("Max", ["h", "zero"], {}, ["a"]),
        node("Min", ["a", "six"], {}, ["c"]),
        node("Clip", ["c", "lo", "hi"], {}, ["d"]),
        node("Sub", ["one", "d"]),
      ],
      [
        float32("zero", [0], []),
        float32("six", [0.6], []),
        float32("lo", [0.1], []),
        float32("hi", [0.4], []),
        float32("one", [1]),
      ],
    );
    const { by } = await checkRescaling(model, HALF);
    expect(by).toEqual({ W: 0.5, b: 0.5, six: 0.5, lo: 0.5, hi: 0.5, one: 0.5 });
  });

  it("Clip with attributes only where they are zero or no bound", async () => {
    const clip = (attributes: NodeDescription["attributes"]) =>
      behind([node("Clip", ["h"], attributes)], [], { opset: 10 });
    expect(await scaleOf(clip({ min: float(0) }))).toBe(0.5);
    expect(await scaleOf(clip({ min: float(0), max: float(3.4028234663852886e38) }))).toBe(0.5);
    await expect(rescaled(clip({ min: float(0), max: float(6) }), HALF)).rejects.toThrow(
      'Clip "Clip of y": its bounds are attributes, which rewriting the file leaves as they are',
    );
    expect(await scaleOf(clip({ min: float(0), max: float(6) }), {})).toBe(1);
  });

  it("Pad scales a stored value and refuses an attribute", async () => {
    const model = image(
      [node("Pad", ["h", "pads", "v"])],
      [int64("pads", [0, 0, 1, 1, 0, 0, 1, 1]), float32("v", [0.5], [])],
    );
    expect((await checkRescaling(model, { K: 0.5 })).by).toMatchObject({ v: 0.5 });
    const reflect = image(
      [node("Pad", ["h", "pads"], { mode: string("reflect") })],
      model.initializers!.slice(2, 3),
    );
    expect(await scaleOf(reflect, { K: 0.5 })).toBe(0.5);
    const old = image([node("Pad", ["h"], { pads: ints([0, 0, 1, 1, 0, 0, 1, 1]), value: float(2) })], [], {
      opset: 10,
    });
    await expect(rescaled(old, { K: 0.5 })).rejects.toThrow(
      'Pad "Pad of y": it pads with 2, an attribute, which rewriting the file leaves as it is',
    );
  });

  it("arrangements pass it on, and their other outputs count", async () => {
    const model = behind(
      [
        node("Split", ["h"], { axis: int(1) }, ["l", "r"]),
        node("Concat", ["r", "l", "k"], { axis: int(1) }, ["c"]),
        node("Slice", ["c", "starts", "ends", "axes"], {}, ["s"]),
        node("Gather", ["s", "index"], { axis: int(1) }, ["g"]),
        node("TopK", ["g", "two"], {}, ["y", "places"]),
        node("Expand", ["y", "shape"], {}, ["z"]),
      ],
      [
        float32("k", numbers(3), [1, 3]),
        int64("starts", [1]),
        int64("ends", [7]),
        int64("axes", [1]),
        int64("index", [0, 2, 4, 5]),
        int64("two", [2]),
        int64("shape", [3, 2]),
      ],
      { outputs: ["y", "z"] },
    );
    const { by, scales } = await checkRescaling(model, HALF);
    expect(by).toMatchObject({ k: 0.5, starts: 1 });
    expect(scales).toEqual([0.5, 0.5]);
  });

  it("slopes, sums, scattered and repeated values", async () => {
    const model = behind(
      [
        node("PRelu", ["h", "slope"], {}, ["p"]),
        node("Sum", ["p", "h", "k"], {}, ["s"]),
        node("Mean", ["s", "k", "h"], {}, ["mean"]),
        node("CumSum", ["mean", "axis"], {}, ["c"]),
        node("ScatterElements", ["c", "places", "u"], { axis: int(1) }, ["e"]),
        node("Tile", ["e", "twice"], {}, ["t"]),
        node("GatherElements", ["t", "places"], { axis: int(1) }, ["g"]),
        node("Min", ["g", "k"]),
      ],
      [
        float32("slope", [-2]),
        float32("k", numbers(1)),
        float32("u", numbers(2), [1, 2]),
        int64("axis", [1], []),
        int64("places", [3, 0], [1, 2]),
        int64("twice", [1, 2]),
      ],
    );
    const { by } = await checkRescaling(model, HALF);
    expect(by).toMatchObject({ slope: 1, k: 0.5, u: 0.5, places: 1 });
  });

  it("Resize and Where", async () => {
    const model = image(
      [
        node("Resize", ["h", "", "sizes"], { mode: string("linear") }, ["r"]),
        node("Greater", ["r", "t"], {}, ["big"]),
        node("Where", ["big", "r", "t"]),
      ],
      [float32("sizes", [1, 1, 1.5, 2]), float32("t", [0.3], [])],
    );
    const { by } = await checkRescaling(model, { K: 0.5 });
    expect(by).toMatchObject({ sizes: 1, t: 0.5 });
  });

  it("constants behind Reshape, Transpose, Cast and Expand are followed to what is stored", async () => {
    const model = behind(
      [
        node("Reshape", ["c", "shape"], {}, ["cr"]),
        node("Transpose", ["cr"], {}, ["ct"]),
        node("Expand", ["ct", "wide"], {}, ["ce"]),
        node("Add", ["h", "ce"]),
      ],
      [float32("c", numbers(4)), int64("shape", [4, 1]), int64("wide", [1, 4])],
    );
    expect((await checkRescaling(model, HALF)).by).toMatchObject({ c: 0.5 });
  });

  it("a constant computed from others cannot follow, unless nothing is asked of it", async () => {
    const model = behind(
      [node("Mul", ["c", "k"], {}, ["ck"]), node("Add", ["h", "ck"])],
      [float32("c", numbers(4)), float32("k", [2])],
    );
    await expect(rescaled(model, HALF)).rejects.toThrow(
      'Add "Add of y": its constant "ck" would have to be multiplied by 0.5, but it is computed by Mul "Mul of ck" from other constants',
    );
    expect(await checkRescaling(model, {})).toMatchObject({ by: { c: 1, k: 1 }, scales: [1] });
  });

  it("zeros need no change", async () => {
    const model = behind([node("Add", ["h", "z"])], [float32("z", [0, 0, 0, 0])]);
    expect(Object.keys((await checkRescaling(model, HALF)).by)).toEqual(["W", "b"]);
  });

  it.each([
    ["Sigmoid", "it is curved, so multiplying its input does not multiply its output"],
    ["Tanh", "it is curved, so multiplying its input does not multiply its output"],
    ["Softmax", "softmax(s·z) keeps which entry is largest, but is no multiple of softmax(z) unless s = 1"],
    ["Floor", "it rounds to steps that do not shrink with its input"],
    ["LRN", "it adds an ε that does not shrink with its input"],
    ["CumSumOfNobody", "no rule says how its output follows when its input is multiplied"],
  ])("%s stands in the way, unless its input stays as it is", async (opType, because) => {
    const model = behind([node(opType)]);
    await expect(rescaled(model, HALF)).rejects.toThrow(`${opType} "${opType} of y": ${because}`);
    expect((await rescaled(model, {})).outputs).toEqual([{ name: "y", scale: 1 }]);
  });

  it("layers behind such a node may change", async () => {
    const model = behind(
      [node("Sigmoid", ["h"], {}, ["s"]), node("Gemm", ["s", "V", "c"])],
      [float32("V", numbers(8), [4, 2]), float32("c", numbers(2))],
    );
    expect(await checkRescaling(model, { V: 0.5 })).toEqual({
      by: { W: 1, b: 1, V: 0.5, c: 0.5 },
      scales: [0.5],
    });
  });

  it("a branch with a known condition is entered, another stands in the way", async () => {
    const model = branching();
    const graph = await signalGraph(await openTestModel(model));
    const known = rescale(graph, (t) => (t.name === "W" ? 0.5 : 1));
    expect(known.outputs).toEqual([{ name: "y", scale: 0.5 }]);
    expect(known.demands.find(({ tensor }) => tensor.name.endsWith("inner"))?.multiplier).toBe(0.5);
    const open = { ...model, inputs: [...model.inputs, { name: "which", dtype: "bool", shape: [] }] };
    const unknown = { ...open, initializers: model.initializers!.filter(({ name }) => name !== "which") };
    expect(encodeTestModel(unknown).length).toBeGreaterThan(0);
    await expect(rescaled(unknown, HALF)).rejects.toThrow(
      'If "If of y": which branch it takes, and so what becomes of its constants, is not known beforehand',
    );
  });
});

/** h, and one of two constants added to it. */
function branching(): TestModel {
  const branch = (name: string): NonNullable<NodeDescription["attributes"]>[string] => ({
    kind: "graph",
    value: {
      nodes: [{ name: `add ${name}`, opType: "Add", inputs: ["h", name], outputs: [`${name} sum`] }],
      initializers: [float32(name, numbers(4))],
      inputs: [],
      outputs: [{ name: `${name} sum` }],
    },
  });
  return behind(
    [node("If", ["which"], { then_branch: branch("inner"), else_branch: branch("other") })],
    [{ name: "which", dtype: "bool", shape: [], data: Uint8Array.of(1) }],
  );
}
