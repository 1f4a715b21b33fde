import { describe, expect, it } from "vitest";
import type { NodeDescription } from "../formats/onnx/encode.ts";
import { planFromOnnx } from "./plan-from-onnx.ts";
import { propagate } from "./propagate.ts";
import { largestSingularValue, matrixOfModel, normOfUse } from "./testing/linear.ts";
import {
  float,
  float32,
  int,
  int64,
  ints,
  openTestModel,
  randomNumbers,
  run,
  sessionFor,
  string,
  type TestModel,
} from "./testing/run-onnx.ts";
import type { WeightPlan, WeightUse } from "./use.ts";

type Constants = NonNullable<TestModel["initializers"]>;

function weight(name: string, shape: readonly number[], seed = 1) {
  const random = randomNumbers(seed);
  return float32(name, Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, random), shape);
}

function positive(name: string, shape: readonly number[]) {
  const w = weight(name, shape, 5);
  return { ...w, data: w.data.map((x) => Math.abs(x) + 0.25) };
}

interface Options {
  readonly attributes?: NonNullable<NodeDescription["attributes"]>;
  readonly constants?: Constants;
  readonly inputs?: readonly string[];
  readonly opset?: number;
  readonly domain?: string;
}

function node(opType: string, x: readonly number[], options: Options = {}): TestModel {
  const { attributes = {}, constants = [], opset = 17, domain = "" } = options;
  const inputs = options.inputs ?? ["x", ...constants.map((c) => c.name)];
  return {
    opset,
    inputs: [{ name: "x", shape: x }],
    initializers: constants,
    nodes: [{ opType, name: "node", inputs, outputs: ["y"], attributes, domain }],
    outputs: [{ name: "y" }],
    ...(domain ? { domains: { [domain]: 1 } } : {}),
  };
}

async function boundOf({ graph }: WeightPlan): Promise<number> {
  const nodes = graph?.nodes ?? [];
  expect(nodes.flatMap((n) => n.unbounded ?? [])).toEqual([]);
  const norms = new Map<WeightUse, number>();
  for (const { factor } of nodes.flatMap((n) => n.steps)) {
    if ("use" in factor) norms.set(factor.use, await normOfUse(factor.use));
  }
  return propagate(graph!, (use) => norms.get(use)).upper!;
}

/** Exactly bounded: the constant is the norm of the affine map, up to float32 rounding. */
const TIGHT: readonly (readonly [string, TestModel])[] = [
  ["Reshape", node("Reshape", [2, 3], { constants: [int64("s", [3, 2])] })],
  ["Transpose", node("Transpose", [2, 3])],
  ["Slice", node("Slice", [5, 2], { constants: [int64("s", [1]), int64("e", [4])] })],
  ["Concat", node("Concat", [1, 3], { constants: [weight("c", [1, 2])], attributes: { axis: int(1) } })],
  ["Add", node("Add", [2, 3], { constants: [weight("c", [3])] })],
  ["Add that expands", node("Add", [2, 1, 3], { constants: [weight("c", [4, 1, 5, 1])] })],
  ["Sub from", node("Sub", [2, 3], { constants: [weight("c", [3])], inputs: ["c", "x"] })],
  ["Mul by a scalar", node("Mul", [2, 3], { constants: [float32("c", [-2.5], [])] })],
  ["Mul per channel", node("Mul", [1, 3, 2], { constants: [weight("c", [1, 3, 1])] })],
  ["Mul by a scalar that expands", node("Mul", [3], { constants: [float32("c", [-2.5, -2.5], [2, 1])] })],
  ["Div", node("Div", [1, 3, 2], { constants: [positive("c", [3, 1])] })],
  [
    "BatchNormalization",
    node("BatchNormalization", [1, 3, 2], {
      constants: [weight("g", [3]), weight("b", [3]), weight("m", [3]), positive("v", [3])],
    }),
  ],
  [
    "Where",
    node("Where", [2, 1], {
      inputs: ["c", "x", "z"],
      constants: [
        { name: "c", dtype: "bool", shape: [3], data: new Uint8Array([1, 1, 1]) },
        weight("z", [1]),
      ],
    }),
  ],
  ["Expand", node("Expand", [3, 1], { constants: [int64("s", [2, 3, 4])] })],
  ["Tile", node("Tile", [3, 2], { constants: [int64("r", [2, 3])] })],
  ["Gather with repeats", node("Gather", [4, 2], { constants: [int64("i", [0, 1, 1, -3, 2])] })],
  ["Gather without", node("Gather", [4, 2], { constants: [int64("i", [0, -1])] })],
  ["Pad zeros", node("Pad", [2, 3], { constants: [int64("p", [1, 0, 2, 1])] })],
  [
    "Pad reflect",
    node("Pad", [1, 5], { constants: [int64("p", [0, 2, 0, 3])], attributes: { mode: string("reflect") } }),
  ],
  [
    "Pad edge",
    node("Pad", [3, 4], { constants: [int64("p", [1, 2, 2, 0])], attributes: { mode: string("edge") } }),
  ],
  [
    "Nearest upsampling",
    node("Resize", [1, 1, 2, 3], {
      inputs: ["x", "", "s"],
      constants: [float32("s", [1, 1, 2, 3])],
      attributes: {
        mode: string("nearest"),
        coordinate_transformation_mode: string("asymmetric"),
        nearest_mode: string("floor"),
      },
    }),
  ],
  ["Upsample", node("Upsample", [1, 1, 2, 3], { opset: 9, constants: [float32("s", [1, 1, 3, 2])] })],
  ["GlobalAveragePool", node("GlobalAveragePool", [1, 2, 3, 4])],
  ["ReduceMean", node("ReduceMean", [2, 3, 4], { opset: 13, attributes: { axes: ints([1, 2]) } })],
  ["ReduceSum", node("ReduceSum", [2, 3, 4], { opset: 13, constants: [int64("a", [0, -1])] })],
  ["DepthToSpace", node("DepthToSpace", [1, 4, 2, 2], { attributes: { blocksize: int(2) } })],
  ["MatMul", node("MatMul", [2, 4], { constants: [weight("w", [4, 3])] })],
  [
    "Gemm",
    node("Gemm", [1, 4], {
      constants: [weight("w", [3, 4]), weight("b", [3])],
      attributes: { transB: int(1), alpha: float(-2) },
    }),
  ],
  [
    "Conv",
    node("Conv", [1, 2, 5, 5], {
      constants: [weight("w", [3, 2, 3, 3])],
      attributes: { pads: ints([1, 0, 2, 1]), strides: ints([2, 1]) },
    }),
  ],
  [
    "ConvTranspose",
    node("ConvTranspose", [1, 2, 4], {
      constants: [weight("w", [2, 3, 3])],
      attributes: { pads: ints([1, 0]), strides: ints([2]), output_padding: ints([1]) },
    }),
  ],
  [
    "Average of whole windows",
    node("AveragePool", [1, 1, 6], { attributes: { kernel_shape: ints([2]), strides: ints([2]) } }),
  ],
];

/** Soundly bounded, with slack. */
const LOOSE: readonly (readonly [string, TestModel])[] = [
  ["MatMul with a batch of weights", node("MatMul", [2, 4], { constants: [weight("w", [3, 4, 5])] })],
  [
    "MatMul with weights on the left",
    node("MatMul", [1, 4, 2], { constants: [weight("w", [3, 5, 4])], inputs: ["w", "x"] }),
  ],
  [
    "AveragePool overlapping",
    node("AveragePool", [1, 1, 7, 6], { attributes: { kernel_shape: ints([3, 2]) } }),
  ],
  [
    "AveragePool of what is inside",
    node("AveragePool", [1, 1, 7, 6], {
      attributes: { kernel_shape: ints([3, 2]), pads: ints([2, 1, 1, 0]), strides: ints([2, 1]) },
    }),
  ],
  [
    "AveragePool with padding",
    node("AveragePool", [1, 1, 7, 6], {
      attributes: { kernel_shape: ints([3, 2]), pads: ints([2, 1, 1, 0]), count_include_pad: int(1) },
    }),
  ],
  [
    "AveragePool ceil",
    node("AveragePool", [1, 1, 8, 6], {
      opset: 19,
      attributes: { kernel_shape: ints([3, 3]), strides: ints([2, 2]), ceil_mode: int(1) },
    }),
  ],
  [
    "AveragePool ceil with padding",
    node("AveragePool", [1, 1, 8, 6], {
      opset: 19,
      attributes: {
        kernel_shape: ints([3, 3]),
        strides: ints([2, 2]),
        pads: ints([1, 1, 1, 1]),
        count_include_pad: int(1),
        ceil_mode: int(1),
      },
    }),
  ],
  [
    "AveragePool SAME",
    node("AveragePool", [1, 1, 8, 7], {
      attributes: { kernel_shape: ints([3, 2]), strides: ints([2, 2]), auto_pad: string("SAME_LOWER") },
    }),
  ],
  [
    "AveragePool dilated",
    node("AveragePool", [1, 1, 9], {
      opset: 19,
      attributes: { kernel_shape: ints([3]), dilations: ints([2]), pads: ints([2, 1]) },
    }),
  ],
];

describe("constants of affine operators against the matrix the runtime computes", () => {
  for (const [name, model] of [...TIGHT, ...LOOSE]) {
    it(name, async () => {
      const bound = await boundOf(await planFromOnnx(await openTestModel(model)));
      const sigma = largestSingularValue(await matrixOfModel(model));
      expect(bound).toBeGreaterThan(sigma * (1 - 1e-5));
      const tight = TIGHT.some(([n]) => n === name);
      expect(bound).toBeLessThan(sigma * (tight ? 1 + 1e-5 : 3));
    });
  }
});

const NONLINEAR: readonly (readonly [string, TestModel])[] = [
  ..."Relu Tanh Sigmoid Softplus Softsign Abs Neg Elu Selu Celu HardSigmoid HardSwish LeakyRelu Erf Sin Cos Atan Asinh Mish"
    .split(" ")
    .map((op) => [op, node(op, [1, 3], { opset: op === "Mish" ? 18 : 17 })] as const),
  ["Elu 3", node("Elu", [1, 3], { attributes: { alpha: float(3) } })],
  ["LeakyRelu −2", node("LeakyRelu", [1, 3], { attributes: { alpha: float(-2) } })],
  ["Selu 0.5", node("Selu", [1, 3], { attributes: { alpha: float(0.5), gamma: float(3) } })],
  ["Clip", node("Clip", [1, 3], { constants: [float32("lo", [-0.5], []), float32("hi", [0.5], [])] })],
  ["PRelu", node("PRelu", [1, 3], { constants: [float32("s", [-1.5, 0.1, 2])] })],
  ["Gelu", node("Gelu", [1, 3], { opset: 20 })],
  ["Gelu tanh", node("Gelu", [1, 3], { opset: 20, attributes: { approximate: string("tanh") } })],
  ["QuickGelu", node("QuickGelu", [1, 3], { domain: "com.microsoft" })],
  ["Shrink", node("Shrink", [1, 3], { attributes: { lambd: float(0.3), bias: float(0.3) } })],
  ["Softmax", node("Softmax", [1, 3])],
  ["LogSoftmax", node("LogSoftmax", [2, 3])],
  ["LogSoftmax over all axes", node("LogSoftmax", [1, 2, 3], { opset: 11 })],
  [
    "MaxPool",
    node("MaxPool", [1, 1, 5, 5], {
      attributes: { kernel_shape: ints([3, 2]), strides: ints([2, 1]), pads: ints([1, 0, 1, 1]) },
    }),
  ],
  [
    "MaxPool dilated",
    node("MaxPool", [1, 1, 7], {
      attributes: { kernel_shape: ints([3]), strides: ints([2]), dilations: ints([2]) },
    }),
  ],
  ["LpPool", node("LpPool", [1, 1, 7], { attributes: { kernel_shape: ints([3]), strides: ints([2]) } })],
  ["GlobalMaxPool", node("GlobalMaxPool", [1, 2, 5])],
  ["ReduceL2", node("ReduceL2", [2, 3], { attributes: { axes: ints([1]) } })],
  ["ReduceL1", node("ReduceL1", [2, 3], { attributes: { axes: ints([1]) } })],
  ["ReduceMax", node("ReduceMax", [2, 3], { attributes: { axes: ints([1]) } })],
  ["ReduceLogSumExp", node("ReduceLogSumExp", [2, 3], { attributes: { axes: ints([1]) } })],
  [
    "LayerNormalization",
    node("LayerNormalization", [2, 4], { constants: [weight("g", [4]), weight("b", [4])] }),
  ],
  [
    "InstanceNormalization",
    node("InstanceNormalization", [1, 2, 4], { constants: [weight("g", [2]), weight("b", [2])] }),
  ],
  ["Min", node("Min", [1, 3], { constants: [weight("c", [2, 1])] })],
  [
    "FusedConv",
    node("FusedConv", [1, 1, 5, 5], {
      domain: "com.microsoft",
      constants: [weight("w", [2, 1, 2, 2])],
      attributes: { activation: string("LeakyRelu"), activation_params: { kind: "floats", value: [3] } },
    }),
  ],
];

describe("constants of other operators are never exceeded", () => {
  for (const [name, model] of NONLINEAR) {
    it(name, async () => {
      const bound = await boundOf(await planFromOnnx(await openTestModel(model)));
      const session = await sessionFor(model);
      const dims = model.inputs[0].shape as readonly number[];
      const count = dims.reduce((a, b) => a * b, 1);
      const random = randomNumbers(7);
      const evaluate = async (data: Float32Array) => (await run(session, { x: { dims, data } })).y.data;
      let steepest = 0;
      for (let trial = 0; trial < 120; trial++) {
        // Far apart and close by, near the origin and away from it; steps large enough for float32.
        const spread = [0.3, 2, 6][trial % 3];
        const step = trial % 2 ? 0.05 : 1;
        const a = Float32Array.from({ length: count }, () => spread * random());
        const b = a.map((x) => x + step * random());
        const [fa, fb] = [await evaluate(a), await evaluate(b)];
        const norm = (x: ArrayLike<number>, y: ArrayLike<number>) =>
          Math.sqrt(Array.from(x).reduce((s, xi, i) => s + (xi - y[i]) ** 2, 0));
        steepest = Math.max(steepest, norm(fa, fb) / norm(a, b));
      }
      await session.release();
      expect(steepest).toBeLessThan(bound * (1 + 1e-4));
      expect(steepest).toBeGreaterThan(0);
    });
  }
});

describe("what has no constant is named", () => {
  const plan = async (model: TestModel) => planFromOnnx(await openTestModel(model));
  const reasons: readonly (readonly [string, TestModel])[] = [
    ["Exp", node("Exp", [1, 3])],
    ["Sqrt", node("Sqrt", [1, 3])],
    ["Div by the input", node("Div", [1, 3], { constants: [weight("c", [3])], inputs: ["c", "x"] })],
    ["Div by zero", node("Div", [1, 3], { constants: [float32("c", [1, 0, 1])] })],
    ["Pow", node("Pow", [1, 3], { constants: [float32("c", [2], [])] })],
    ["ThresholdedRelu", node("ThresholdedRelu", [1, 3])],
    ["Round", node("Round", [1, 3])],
    ["NaN scale", node("Mul", [1, 3], { constants: [float32("c", [1, Number.NaN, 1])] })],
    [
      "BatchNormalization of variance −1",
      node("BatchNormalization", [1, 1, 2], {
        constants: [weight("g", [1]), weight("b", [1]), weight("m", [1]), float32("v", [-1])],
      }),
    ],
    [
      "LayerNormalization, epsilon 0",
      node("LayerNormalization", [1, 3], {
        constants: [weight("g", [3])],
        attributes: { epsilon: float(0) },
      }),
    ],
  ];
  for (const [name, model] of reasons) {
    it(name, async () => {
      const { graph } = await plan(model);
      expect(propagate(graph!, () => 1).upper).toBeNull();
      const unbounded = graph!.nodes.filter((n) => n.unbounded !== undefined);
      expect(unbounded.map((n) => n.node)).toEqual(["node"]);
      expect(unbounded[0].unbounded!.length).toBeGreaterThan(5);
    });
  }

  it("a product of two branches", async () => {
    const square = await plan({
      opset: 13,
      inputs: [{ name: "x", shape: [1, 3] }],
      nodes: [{ opType: "Mul", name: "square", inputs: ["x", "x"], outputs: ["y"] }],
      outputs: [{ name: "y" }],
    });
    expect(propagate(square.graph!, () => 1).upper).toBeNull();
    expect(square.graph!.nodes[0]).toMatchObject({ node: "square", takes: ["x", "x"] });
  });

  it("shape arithmetic and unused branches do not break a chain", async () => {
    const found = await plan({
      opset: 13,
      inputs: [{ name: "x", shape: ["n", 2, 3] }],
      initializers: [int64("zero", [0]), int64("rest", [-1]), weight("w", [6, 2])],
      nodes: [
        { opType: "Shape", inputs: ["x"], outputs: ["s"] },
        { opType: "Gather", inputs: ["s", "zero"], outputs: ["n"] },
        { opType: "Concat", inputs: ["n", "rest"], outputs: ["t"], attributes: { axis: int(0) } },
        { opType: "Exp", inputs: ["x"], outputs: ["dead"] },
        { opType: "Reshape", name: "flat", inputs: ["x", "t"], outputs: ["f"] },
        { opType: "MatMul", name: "fc", inputs: ["f", "w"], outputs: ["y"] },
      ],
      outputs: [{ name: "y" }],
    });
    expect(found.graph?.nodes.map((n) => n.node)).toEqual(["flat", "fc"]);
  });
});
