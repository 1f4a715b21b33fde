import { describe, expect, it } from "vitest";
import type { NodeDescription } from "../../formats/onnx/encode.ts";
import { importOnnx } from "../import-onnx.ts";
import { checkModel } from "../testing/check-operation.ts";
import { constantsOf } from "../testing/constants-of.ts";
import { oneNode } from "../testing/one-node.ts";
import {
  float,
  float32,
  type Initializers,
  int,
  int64,
  ints,
  openTestModel,
  string,
  type TestModel,
} from "../testing/run-onnx.ts";

/** x plus the constant c, which these nodes compute: it must be folded to what the runtime gives. */
function plusConstant(
  x: readonly number[],
  nodes: readonly NodeDescription[],
  constants: Initializers = [],
  opset = 17,
): TestModel {
  return {
    opset,
    nodes: [...nodes, { opType: "Add", name: "add", inputs: ["x", "c"], outputs: ["y"] }],
    initializers: constants,
    inputs: [{ name: "x", shape: x }],
    outputs: [{ name: "y" }],
  };
}

const node = (
  opType: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: NonNullable<NodeDescription["attributes"]> = {},
): NodeDescription => ({ opType, name: opType, inputs, outputs, attributes });

const tensor = (data: readonly number[], shape: readonly number[] = [data.length]) =>
  ({ kind: "tensor", value: float32("", data, shape) }) as const;

const numbers = (n: number) => Array.from({ length: n }, (_, i) => Math.sin(3 * i));
const toFloat = (from: string, to = "c") => node("Cast", [from], [to], { to: int(1) });

/** x plus some entries of a long constant "big" that a node computes. */
function picked(indices: readonly number[], from: NodeDescription, constants: Initializers = []): TestModel {
  return plusConstant(
    [indices.length],
    [from, node("Gather", ["big", "few"], ["c"])],
    [...constants, int64("few", indices)],
  );
}

describe("folded constants", () => {
  const rows: readonly (readonly [string, TestModel])[] = [
    ["Constant", plusConstant([2], [node("Constant", [], ["c"], { value: tensor([3, 4]) })])],
    ["Constant of one number", plusConstant([2], [node("Constant", [], ["c"], { value_float: float(1.5) })])],
    [
      "Constant of many numbers",
      picked(
        [1099, 0],
        node("Constant", [], ["big"], { value_floats: { kind: "floats", value: numbers(1100) } }),
      ),
    ],
    [
      "ConstantOfShape",
      picked([39, 5], node("ConstantOfShape", ["s"], ["big"], { value: tensor([2.5]) }), [
        int64("s", [1500]),
      ]),
    ],
    ["ConstantOfShape, zeros", picked([7], node("ConstantOfShape", ["s"], ["big"]), [int64("s", [2000])])],
    [
      "ConstantOfShape of the input's shape",
      plusConstant(
        [3, 2],
        [node("Shape", ["x"], ["s"]), node("ConstantOfShape", ["s"], ["c"], { value: tensor([-1]) })],
      ),
    ],
    ["EyeLike, more rows than columns", plusConstant([5, 3], [node("EyeLike", ["x"], ["c"])])],
    ["EyeLike", plusConstant([3, 4], [node("EyeLike", ["x"], ["c"], { k: int(-1) })])],
    [
      "Range of floats",
      plusConstant(
        [5],
        [node("Range", ["a", "b", "d"], ["c"])],
        [float32("a", [1], []), float32("b", [3.2], []), float32("d", [0.5], [])],
      ),
    ],
    [
      "a long Range of integers",
      plusConstant(
        [2],
        [node("Range", ["a", "b", "d"], ["r"]), node("Gather", ["r", "i"], ["few"]), toFloat("few")],
        [int64("a", [2999], []), int64("b", [-1], []), int64("d", [-2], []), int64("i", [1499, 3])],
      ),
    ],
    [
      "integers moved about",
      plusConstant(
        [2, 2],
        [
          node("Reshape", ["i", "s"], ["r"]),
          node("Transpose", ["r"], ["t"]),
          node("Slice", ["t", "from", "to", "axis"], ["p"]),
          node("Concat", ["p", "p"], ["q"], { axis: int(1) }),
          node("Gather", ["q", "some"], ["few"]),
          toFloat("few"),
        ],
        [
          int64(
            "i",
            Array.from({ length: 1400 }, (_, k) => (7 * k) % 1400),
          ),
          int64("s", [2, 700]),
          int64("from", [1]),
          int64("to", [2]),
          int64("axis", [1]),
          int64("some", [5, 699]),
        ],
      ),
    ],
    [
      "reductions of integers",
      plusConstant(
        [1, 4],
        [
          node("ReduceMean", ["i"], ["mean"], { axes: ints([0]) }),
          node("ReduceMax", ["i"], ["most"], { axes: ints([0]) }),
          node("ReduceProd", ["i"], ["product"], { axes: ints([0]) }),
          node("Concat", ["mean", "most", "product", "mean"], ["all"], { axis: int(1) }),
          toFloat("all"),
        ],
        [{ name: "i", dtype: "int32", shape: [3, 1], data: Int32Array.of(-5, 2, -1) }],
      ),
    ],
    [
      "CumSum, TopK and Gather",
      plusConstant(
        [3],
        [
          node("CumSum", ["v", "zero"], ["sums"]),
          node("TopK", ["sums", "k"], ["best", "where"]),
          node("Gather", ["v", "where"], ["c"]),
        ],
        [float32("v", [1, -3, 2, 5, -1, 2]), int64("zero", [0], []), int64("k", [3])],
      ),
    ],
    [
      "OneHot and Pad",
      plusConstant(
        [4, 5],
        [node("OneHot", ["i", "depth", "values"], ["hot"]), node("Pad", ["hot", "pads", "value"], ["c"])],
        [
          int64("i", [2, 0, -1]),
          int64("depth", [3], []),
          float32("values", [0.5, 2]),
          int64("pads", [1, 0, 0, 2]),
          float32("value", [7], []),
        ],
      ),
    ],
    [
      "a resized constant",
      plusConstant(
        [1, 1, 4, 6],
        [node("Resize", ["v", "", "scales"], ["c"], { mode: string("linear") })],
        [float32("v", numbers(6), [1, 1, 2, 3]), float32("scales", [1, 1, 2, 2])],
      ),
    ],
    [
      "pooled and scattered constants",
      plusConstant(
        [1, 1, 3],
        [
          node("MaxPool", ["v"], ["m"], { kernel_shape: ints([3]) }),
          node("ScatterElements", ["m", "i", "u"], ["c"], { axis: int(2) }),
        ],
        [float32("v", numbers(5), [1, 1, 5]), int64("i", [1], [1, 1, 1]), float32("u", [9], [1, 1, 1])],
      ),
    ],
    [
      "NonZero",
      plusConstant(
        [2, 3],
        [node("NonZero", ["m"], ["i"]), toFloat("i")],
        [int64("m", [0, 5, 0, 1, 1, 0], [2, 3])],
      ),
    ],
  ];
  for (const [name, model] of rows) {
    it(name, async () => {
      await checkModel(model, { points: 2 });
      expect((await constantsOf(await openTestModel(model)))?.constants[0]).toBe(1);
    });
  }
});

describe("what depends on shapes alone", () => {
  it("EyeLike is constant", async () => {
    const model = oneNode("EyeLike", { shapes: [[3, 3]], attributes: { k: int(1) }, opset: 9 });
    await checkModel(model);
    expect((await constantsOf(await openTestModel(model)))?.constants).toEqual([0]);
  });

  it("names a shape that is not known", async () => {
    const model: TestModel = {
      opset: 17,
      nodes: [
        node("NonZero", ["x"], ["i"]),
        node("Shape", ["i"], ["s"]),
        node("ConstantOfShape", ["s"], ["z"]),
        node("ReduceSum", ["z"], ["t"], { keepdims: int(0) }),
        node("Add", ["x", "t"], ["y"]),
      ],
      inputs: [{ name: "x", shape: [3] }],
      outputs: [{ name: "y" }],
    };
    await expect(importOnnx(await openTestModel(model))).rejects.toThrow(
      'the sizes that Shape "Shape" gives are unknown; give the input sizes',
    );
  });
});

it("random numbers have no value", async () => {
  const model = plusConstant([2], [node("RandomNormal", [], ["c"], { shape: ints([2]) })]);
  await expect(importOnnx(await openTestModel(model))).rejects.toThrow(
    "it draws random numbers on every run",
  );
});
