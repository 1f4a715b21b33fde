import { describe, expect, it } from "vitest";
import type { NodeDescription } from "../../formats/onnx/encode.ts";
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
  run,
  sessionFor,
  string,
  type TestModel,
} from "../testing/run-onnx.ts";
import { inferShapes } from "./infer.ts";

type Attributes = NonNullable<NodeDescription["attributes"]>;

interface Case {
  readonly op: string;
  readonly x: readonly number[];
  readonly opset?: number;
  readonly attributes?: Attributes;
  /** Inputs after x: constants by name, or "" for omitted. */
  readonly constants?: Initializers;
  readonly inputs?: readonly string[];
  readonly outputs?: number;
  /** Types of the outputs that are not float32. */
  readonly types?: readonly string[];
  readonly domain?: string;
}

function modelOf(c: Case): TestModel {
  const constants = c.constants ?? [];
  const outputs = Array.from({ length: c.outputs ?? 1 }, (_, i) => `y${i}`);
  return {
    opset: c.opset ?? 17,
    nodes: [
      {
        opType: c.op,
        name: "node",
        inputs: c.inputs ?? ["x", ...constants.map((t) => t.name)],
        outputs,
        attributes: c.attributes ?? {},
        domain: c.domain ?? "",
      },
    ],
    initializers: constants,
    inputs: [{ name: "x", shape: c.x }],
    outputs: outputs.map((name, i) => ({ name, dtype: c.types?.[i] ?? "float32" })),
    ...(c.domain ? { domains: { [c.domain]: 1 } } : {}),
  };
}

/** Runs the model and compares the shapes it really gives with the inferred ones, every dimension known. */
async function agrees(model: TestModel): Promise<void> {
  const opened = await openTestModel(model);
  const shapes = await inferShapes(opened.onnx!);
  const [{ name, shape }] = model.inputs;
  const dims = shape as readonly number[];
  const count = dims.reduce((a, b) => a * b, 1);
  const random = randomNumbers(count);
  const session = await sessionFor(model);
  const results = await run(session, {
    [name]: { dims, data: Float32Array.from({ length: count }, random) },
  });
  for (const output of model.outputs) {
    expect(shapes.value(output.name).shape, `${model.nodes.map((n) => n.opType)} ${output.name}`).toEqual(
      results[output.name].dims,
    );
  }
  await session.release();
}

const ramp = (n: number) => Float32Array.from({ length: n }, (_, i) => ((i * 7) % 11) / 11);
const w = (name: string, ...shape: number[]) => float32(name, ramp(shape.reduce((a, b) => a * b, 1)), shape);

const CASES: readonly Case[] = [
  { op: "Relu", x: [2, 3] },
  { op: "Softmax", x: [2, 3], attributes: { axis: int(1) } },
  { op: "Add", x: [2, 1, 4], constants: [w("c", 3, 1)] },
  { op: "Mul", x: [4], constants: [w("c", 2, 3, 1)] },
  {
    op: "Where",
    x: [2, 1],
    inputs: ["cond", "x", "c"],
    constants: [
      { name: "cond", dtype: "bool", shape: [3], data: new Uint8Array([1, 0, 1]) },
      w("c", 1, 1, 3),
    ],
  },
  { op: "MatMul", x: [2, 5, 3], constants: [w("c", 3, 4)] },
  { op: "MatMul", x: [3], constants: [w("c", 7, 3, 4)] },
  { op: "MatMul", x: [1, 3, 4], inputs: ["c", "x"], constants: [w("c", 6, 2, 3)] },
  { op: "MatMul", x: [2, 3], constants: [w("c", 3)] },
  { op: "Gemm", x: [3, 2], constants: [w("c", 4, 3)], attributes: { transA: int(1), transB: int(1) } },
  {
    op: "Einsum",
    x: [2, 3, 4],
    constants: [w("c", 4, 5, 6)],
    attributes: { equation: string("bsk,kfm->bsfm") },
  },
  { op: "Einsum", x: [2, 3, 3], attributes: { equation: string("bii") } },
  { op: "Flatten", x: [2, 3, 4], attributes: { axis: int(2) } },
  { op: "Flatten", x: [2, 3, 4], attributes: { axis: int(-1) } },
  { op: "Flatten", x: [2, 3, 4], attributes: { axis: int(0) } },
  { op: "Reshape", x: [2, 3, 4], constants: [int64("s", [0, -1])] },
  { op: "Reshape", x: [2, 3, 4], constants: [int64("s", [4, 0, 2])] },
  { op: "Squeeze", x: [1, 3, 1], opset: 11 },
  { op: "Squeeze", x: [1, 3, 1], opset: 11, attributes: { axes: ints([-1]) } },
  { op: "Squeeze", x: [1, 3, 1], constants: [int64("a", [0])] },
  { op: "Unsqueeze", x: [2, 3], opset: 11, attributes: { axes: ints([0, 3]) } },
  { op: "Unsqueeze", x: [2, 3], constants: [int64("a", [-1, 1])] },
  { op: "Transpose", x: [2, 3, 4] },
  { op: "Transpose", x: [2, 3, 4], attributes: { perm: ints([1, 2, 0]) } },
  { op: "Expand", x: [3, 1], constants: [int64("s", [2, 1, 5])] },
  { op: "Tile", x: [3, 2], constants: [int64("r", [2, 3])] },
  { op: "Concat", x: [2, 3], constants: [w("c", 2, 5)], attributes: { axis: int(-1) } },
  { op: "Split", x: [7, 2], opset: 11, attributes: { split: ints([3, 4]), axis: int(0) }, outputs: 2 },
  { op: "Split", x: [6, 2], opset: 13, constants: [int64("s", [1, 5])], outputs: 2 },
  { op: "Split", x: [6, 2], opset: 13, outputs: 3 },
  { op: "Split", x: [7, 2], opset: 18, attributes: { num_outputs: int(3) }, outputs: 3 },
  {
    op: "Slice",
    x: [9, 8],
    opset: 9,
    attributes: { starts: ints([1, -3]), ends: ints([100, -1]), axes: ints([0, 1]) },
  },
  {
    op: "Slice",
    x: [9, 8],
    constants: [int64("s", [7, 1]), int64("e", [-100, 7]), int64("a", [0, -1]), int64("t", [-2, 3])],
  },
  { op: "Slice", x: [9, 8], constants: [int64("s", [2]), int64("e", [2 ** 53])] },
  { op: "Gather", x: [4, 5, 6], constants: [int64("i", [0, 2, 1, 1], [2, 2])], attributes: { axis: int(1) } },
  { op: "Gather", x: [4, 5], constants: [int64("i", [3], [])] },
  { op: "GatherElements", x: [4, 5], constants: [int64("i", [0, 1, 2], [1, 3])] },
  { op: "GatherND", x: [2, 3, 4], constants: [int64("i", [0, 1, 1, 0], [2, 2])] },
  { op: "TopK", types: ["float32", "int64"], x: [4, 9], constants: [int64("k", [3])], outputs: 2 },
  {
    op: "TopK",
    types: ["float32", "int64"],
    x: [4, 9],
    opset: 9,
    attributes: { k: int(2), axis: int(0) },
    outputs: 2,
  },
  {
    op: "Compress",
    x: [4, 3],
    constants: [{ name: "c", dtype: "bool", shape: [4], data: new Uint8Array([1, 0, 1, 1]) }],
    attributes: { axis: int(0) },
  },
  { op: "Pad", x: [2, 3], opset: 10, attributes: { pads: ints([0, 1, 2, 3]) } },
  { op: "Pad", x: [2, 3], constants: [int64("p", [0, 1, 2, -2])] },
  {
    op: "Pad",
    x: [2, 3, 4],
    opset: 18,
    inputs: ["x", "p", "", "a"],
    constants: [int64("p", [1, 2, 3, 0]), int64("a", [0, -1])],
  },
  { op: "DepthToSpace", x: [1, 8, 2, 3], attributes: { blocksize: int(2) } },
  { op: "SpaceToDepth", x: [1, 2, 4, 6], attributes: { blocksize: int(2) } },
  { op: "ReduceMean", x: [2, 3, 4], opset: 13, attributes: { axes: ints([-1, 0]), keepdims: int(0) } },
  { op: "ReduceMean", x: [2, 3, 4], opset: 18, constants: [int64("a", [1])] },
  { op: "ReduceSum", x: [2, 3, 4], attributes: { keepdims: int(0) } },
  { op: "ReduceSum", x: [2, 3, 4], attributes: { noop_with_empty_axes: int(1) } },
  { op: "ReduceMax", x: [2, 3], opset: 13 },
  { op: "ArgMax", types: ["int64"], x: [2, 3, 4], attributes: { axis: int(-1), keepdims: int(0) } },
  { op: "GlobalAveragePool", x: [2, 3, 4, 5] },
  { op: "GlobalMaxPool", x: [2, 3, 7] },
  { op: "BatchNormalization", x: [2, 3, 4], constants: [w("a", 3), w("b", 3), w("m", 3), w("v", 3)] },
  { op: "LayerNormalization", x: [2, 3, 4], constants: [w("g", 4)], outputs: 2 },
  { op: "LRN", x: [1, 4, 3, 3], attributes: { size: int(3) } },
  { op: "Dropout", types: ["float32", "bool"], x: [2, 3], outputs: 2 },
  { op: "Shape", types: ["int64"], x: [2, 3, 4], attributes: { start: int(-2) } },
  { op: "Size", types: ["int64"], x: [2, 3] },
  {
    op: "Resize",
    x: [1, 2, 3, 4],
    opset: 10,
    constants: [float32("s", [1, 1, 2, 1.6])],
  },
  { op: "Resize", x: [1, 2, 5, 7], inputs: ["x", "", "s"], constants: [float32("s", [1, 1, 0.6, 1.7])] },
  { op: "Resize", x: [1, 2, 5, 7], inputs: ["x", "", "", "s"], constants: [int64("s", [1, 2, 9, 3])] },
  {
    op: "Resize",
    x: [1, 2, 5, 7],
    opset: 18,
    inputs: ["x", "", "", "s"],
    attributes: { axes: ints([2, 3]), keep_aspect_ratio_policy: string("not_larger") },
    constants: [int64("s", [12, 10])],
  },
  {
    op: "Resize",
    x: [1, 2, 5, 7],
    opset: 18,
    inputs: ["x", "", "", "s"],
    attributes: { axes: ints([2, 3]), keep_aspect_ratio_policy: string("not_smaller") },
    constants: [int64("s", [12, 10])],
  },
  { op: "Upsample", x: [1, 2, 3, 4], opset: 9, constants: [float32("s", [1, 1, 2, 3])] },
  {
    op: "Upsample",
    x: [1, 2, 3, 4],
    opset: 7,
    attributes: { scales: { kind: "floats", value: [1, 1, 2, 3] } },
  },
  {
    op: "LSTM",
    x: [5, 2, 3],
    constants: [w("W", 2, 16, 3), w("R", 2, 16, 4)],
    attributes: { hidden_size: int(4), direction: string("bidirectional") },
    outputs: 3,
  },
  {
    op: "GRU",
    x: [5, 2, 3],
    constants: [w("W", 1, 12, 3), w("R", 1, 12, 4)],
    attributes: { hidden_size: int(4) },
    outputs: 2,
  },
  {
    op: "RNN",
    x: [5, 2, 3],
    constants: [w("W", 1, 4, 3), w("R", 1, 4, 4)],
    attributes: { hidden_size: int(4) },
    outputs: 2,
  },
  { op: "QuantizeLinear", types: ["uint8"], x: [2, 3], constants: [float32("s", [0.5], [])] },
  { op: "DynamicQuantizeLinear", types: ["uint8", "float32", "uint8"], x: [2, 3], outputs: 3 },
  { op: "Trilu", x: [3, 4] },
  { op: "CumSum", x: [3, 4], constants: [int64("a", [1], [])] },
  { op: "PRelu", x: [2, 3, 4], constants: [w("s", 3, 1)] },
  { op: "GridSample", x: [1, 2, 3, 4], constants: [w("g", 1, 5, 6, 2)] },
  { op: "Cast", types: ["int64"], x: [2, 2], attributes: { to: int(7) } },
  { op: "Gelu", x: [2, 3], domain: "com.microsoft" },
  {
    op: "FusedMatMul",
    x: [3, 2],
    constants: [w("c", 3, 4)],
    attributes: { transA: int(1), alpha: float(0.5) },
    domain: "com.microsoft",
  },
];

describe("inferred shapes are those the runtime gives", () => {
  for (const c of CASES) {
    it(`${c.op} of ${c.x.join("x")}, operator set ${c.opset ?? 17}`, () => agrees(modelOf(c)));
  }
});

/** A random window over one to three axes that fits its input. */
function randomWindow(random: () => number, pool: boolean) {
  const pick = (low: number, high: number) => low + Math.floor(((random() + 1) / 2) * (high - low + 1));
  const axes = pick(1, 3);
  const list = (low: number, high: number) => Array.from({ length: axes }, () => pick(low, high));
  const kernel = list(1, 4);
  const dilations = pick(0, 2) === 0 ? list(1, 3) : list(1, 1);
  const auto = ["NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"][pick(0, 4)];
  const size = kernel.map((k, i) => dilations[i] * (k - 1) + 1 + pick(0, 9));
  // Pooling forbids padding as wide as the window.
  const pads = [0, 1].flatMap(() => kernel.map((k) => (pool ? pick(0, k - 1) : pick(0, 4))));
  // The runtime refuses a pool with SAME padding whose strides jump over entries.
  const strides = kernel.map((k) => pick(1, pool && auto.startsWith("SAME") ? k : 4));
  const attributes: Attributes = {
    kernel_shape: ints(kernel),
    strides: ints(strides),
    ...(dilations.some((d) => d > 1) && !auto.startsWith("SAME") ? { dilations: ints(dilations) } : {}),
    ...(auto === "NOTSET" ? { pads: ints(pads) } : { auto_pad: string(auto) }),
  };
  return { axes, kernel, size, attributes, pick, auto };
}

describe("random windows", () => {
  it("convolutions", async () => {
    for (let seed = 0; seed < 120; seed++) {
      const { kernel, size, attributes, pick } = randomWindow(randomNumbers(seed), false);
      const group = pick(1, 2);
      const model = modelOf({
        op: "Conv",
        x: [1, 2 * group, ...size],
        constants: [w("w", 3 * group, 2, ...kernel)],
        attributes: { ...attributes, group: int(group) },
      });
      await agrees(model);
    }
  });

  it("pools", async () => {
    for (let seed = 0; seed < 120; seed++) {
      const { size, attributes, pick, auto } = randomWindow(randomNumbers(1000 + seed), true);
      const op = ["MaxPool", "AveragePool"][pick(0, 1)];
      const ceil = auto === "NOTSET" ? pick(0, 1) : 0;
      const { dilations: _, ...undilated } = attributes;
      await agrees(
        modelOf({
          op,
          x: [1, 2, ...size],
          opset: pick(0, 1) ? 12 : 19,
          attributes: { ...(op === "MaxPool" ? attributes : undilated), ceil_mode: int(ceil) },
        }),
      );
    }
  });
});

describe("shape arithmetic", () => {
  it("folds what exporters write around Reshape and Resize", async () => {
    await agrees({
      opset: 13,
      inputs: [{ name: "x", shape: [2, 6, 5, 4] }],
      initializers: [
        int64("zero", [0], []),
        int64("two", [2]),
        int64("minus", [-1]),
        int64("axis0", [0]),
        int64("four", [4]),
        float32("half", [0.5]),
      ],
      nodes: [
        { opType: "Shape", inputs: ["x"], outputs: ["s"] },
        { opType: "Gather", inputs: ["s", "zero"], outputs: ["n"], attributes: { axis: int(0) } },
        { opType: "Unsqueeze", inputs: ["n", "axis0"], outputs: ["n1"] },
        { opType: "Slice", inputs: ["s", "two", "four", "axis0"], outputs: ["hw"] },
        { opType: "ReduceProd", inputs: ["hw"], outputs: ["area"], attributes: { keepdims: int(1) } },
        {
          opType: "Concat",
          inputs: ["n1", "minus", "area"],
          outputs: ["target"],
          attributes: { axis: int(0) },
        },
        { opType: "Reshape", inputs: ["x", "target"], outputs: ["flat"] },
        { opType: "Cast", inputs: ["hw"], outputs: ["hwf"], attributes: { to: int(1) } },
        { opType: "Mul", inputs: ["hwf", "half"], outputs: ["scaled"] },
        { opType: "Ceil", inputs: ["scaled"], outputs: ["ceiled"] },
        { opType: "Cast", inputs: ["ceiled"], outputs: ["sizes"], attributes: { to: int(7) } },
        { opType: "Slice", inputs: ["s", "axis0", "two", "axis0"], outputs: ["nc"] },
        { opType: "Concat", inputs: ["nc", "sizes"], outputs: ["full"], attributes: { axis: int(0) } },
        {
          opType: "Resize",
          inputs: ["x", "", "", "full"],
          outputs: ["resized"],
          attributes: { mode: string("nearest") },
        },
        { opType: "ConstantOfShape", inputs: ["sizes"], outputs: ["filled"] },
        { opType: "Range", inputs: ["zero", "n", "n"], outputs: ["r"] },
      ],
      outputs: [
        { name: "flat" },
        { name: "resized" },
        { name: "filled", dtype: "float32" },
        { name: "r", dtype: "int64" },
      ],
    });
  });

  it("keeps what is unknown unknown, and the batch 1", async () => {
    const opened = await openTestModel({
      opset: 13,
      inputs: [{ name: "x", shape: ["batch", 3, "h", 8] }],
      initializers: [w("k", 4, 3, 3, 3)],
      nodes: [
        { opType: "Conv", inputs: ["x", "k"], outputs: ["y"] },
        { opType: "Mystery", domain: "com.example", inputs: ["y"], outputs: ["z"] },
        { opType: "Flatten", inputs: ["y"], outputs: ["f"] },
      ],
      outputs: [{ name: "z" }, { name: "f" }],
    });
    const shapes = await inferShapes(opened.onnx!);
    expect(shapes.value("y").shape).toEqual([1, 4, null, 6]);
    expect(shapes.value("z").shape).toBeNull();
    expect(shapes.value("f").shape).toEqual([1, null]);
    const sized = await inferShapes(opened.onnx!, { x: [2, 3, 10, 8] });
    expect(sized.value("f").shape).toEqual([2, 4 * 8 * 6]);
  });

  it("refuses shapes that contradict the file, and names what would fit", async () => {
    const opened = await openTestModel({
      opset: 13,
      inputs: [{ name: "x", shape: ["batch", 3, "h", 8] }],
      nodes: [{ opType: "Relu", inputs: ["x"], outputs: ["y"] }],
      outputs: [{ name: "y" }],
    });
    const message = (inputs: Record<string, number[]>) =>
      inferShapes(opened.onnx!, inputs).then(
        () => "accepted",
        (e: Error) => `${e.name}: ${e.message}`,
      );
    expect(await message({ x: [1, 4, 5, 8] })).toMatchInlineSnapshot(
      `"InputShapeError: Input "x": dimension 1 is fixed at 3 by the file, got 4 (1x4x5x8). Give a shape that fits [batch, 3, h, 8]."`,
    );
    expect(await message({ "": [1, 3, 5] })).toMatchInlineSnapshot(
      `"InputShapeError: Input "x" has 4 dimensions, got 3 (1x3x5). Give a shape that fits [batch, 3, h, 8]."`,
    );
    expect(await message({ z: [1] })).toMatchInlineSnapshot(
      `"InputShapeError: The model has no input "z"; its inputs are "x" ([batch, 3, h, 8]). Name the input, as in --input x=1x3x224x224."`,
    );
    expect(await message({ x: [1, 3, 0, 8] })).toMatchInlineSnapshot(
      `"InputShapeError: Input "x": sizes must be whole numbers of at least 1, got 1x3x0x8. Give a shape that fits [batch, 3, h, 8]."`,
    );
    expect(await message({ "": [1, 3, 5, 8] })).toBe("accepted");
  });

  it("sees outer values in If, and unstable loop shapes as unknown", async () => {
    const branch = (factor: number) => ({
      kind: "graph" as const,
      value: {
        name: "b",
        nodes: [
          { opType: "Reshape", inputs: ["x", "target"], outputs: [`r${factor}`] },
          { opType: "Relu", inputs: [`r${factor}`], outputs: [`o${factor}`] },
        ],
        inputs: [],
        outputs: [{ name: `o${factor}` }],
      },
    });
    const body = {
      kind: "graph" as const,
      value: {
        name: "body",
        nodes: [
          { opType: "Concat", inputs: ["v", "v"], outputs: ["v2"], attributes: { axis: int(0) } },
          { opType: "Relu", inputs: ["u"], outputs: ["u2"] },
          { opType: "Identity", inputs: ["go"], outputs: ["go2"] },
          { opType: "Identity", inputs: ["u"], outputs: ["seen"] },
        ],
        inputs: [
          { name: "i", dtype: "int64", shape: [] },
          { name: "go", dtype: "bool", shape: [] },
          { name: "v" },
          { name: "u" },
        ],
        outputs: [{ name: "go2", dtype: "bool" }, { name: "v2" }, { name: "u2" }, { name: "seen" }],
      },
    };
    const opened = await openTestModel({
      opset: 16,
      inputs: [
        { name: "x", shape: [2, 6] },
        { name: "c", shape: [], dtype: "bool" },
      ],
      initializers: [int64("target", [3, 4]), int64("trips", [3], [])],
      nodes: [
        {
          opType: "If",
          inputs: ["c"],
          outputs: ["y"],
          attributes: { then_branch: branch(1), else_branch: branch(2) },
        },
        { opType: "Loop", inputs: ["trips", "", "x", "x"], outputs: ["a", "b", "all"], attributes: { body } },
      ],
      outputs: [{ name: "y" }, { name: "a" }, { name: "b" }, { name: "all" }],
    });
    const shapes = await inferShapes(opened.onnx!);
    expect(shapes.value("y").shape).toEqual([3, 4]);
    expect(shapes.value("a").shape).toBeNull();
    expect(shapes.value("b").shape).toBeNull();
  });
});

it("test models are valid files", () => {
  expect(encodeTestModel(modelOf(CASES[0])).length).toBeGreaterThan(20);
});
