import { describe, expect, it } from "vitest";
import { bound } from "../bound.ts";
import { importOnnx } from "../import-onnx.ts";
import { largestSingularValue, matrixOfModel } from "../testing/linear.ts";
import {
  float32,
  int,
  int64,
  ints,
  openTestModel,
  randomNumbers,
  string,
  type TestModel,
} from "../testing/run-onnx.ts";

/** The interval of a model, proved. */
async function intervalOf(model: TestModel) {
  return bound(await importOnnx(await openTestModel(model)), { guarantee: "proof", seed: 1n });
}

function numbers(seed: number, count: number, map: (x: number) => number = (x) => x): number[] {
  const random = randomNumbers(seed);
  return Array.from({ length: count }, () => map(random()));
}

const x = (shape: readonly number[]) => [{ name: "x", shape }];
const y = [{ name: "y" }];

function affine(
  nodes: TestModel["nodes"],
  shape: readonly number[],
  initializers: TestModel["initializers"] = [],
): TestModel {
  return { opset: 13, inputs: x(shape), nodes, initializers, outputs: y };
}

/** Networks that are affine as a whole: the constant is the norm of their matrix. */
const LINEAR: readonly (readonly [string, TestModel])[] = [
  [
    "a chain of three layers",
    affine(
      [
        { opType: "MatMul", inputs: ["x", "a"], outputs: ["p"] },
        { opType: "MatMul", inputs: ["p", "b"], outputs: ["q"] },
        { opType: "MatMul", inputs: ["q", "c"], outputs: ["y"] },
      ],
      [1, 5],
      [
        float32("a", numbers(1, 30), [5, 6]),
        float32("b", numbers(2, 24), [6, 4]),
        float32("c", numbers(3, 12), [4, 3]),
      ],
    ),
  ],
  ["x + x", affine([{ opType: "Add", inputs: ["x", "x"], outputs: ["y"] }], [1, 4])],
  ["x − x", affine([{ opType: "Sub", inputs: ["x", "x"], outputs: ["y"] }], [1, 4])],
  [
    "x beside 2x",
    affine(
      [
        { opType: "Mul", inputs: ["x", "two"], outputs: ["d"] },
        { opType: "Concat", inputs: ["x", "d"], outputs: ["y"], attributes: { axis: int(1) } },
      ],
      [1, 4],
      [float32("two", [2], [])],
    ),
  ],
  [
    "halves taken apart and put together the other way round",
    affine(
      [
        { opType: "Split", inputs: ["x", "sizes"], outputs: ["a", "b"], attributes: { axis: int(1) } },
        { opType: "Concat", inputs: ["b", "a"], outputs: ["y"], attributes: { axis: int(1) } },
      ],
      [1, 6],
      [int64("sizes", [2, 4])],
    ),
  ],
  [
    "a skip round a linear layer",
    affine(
      [
        { opType: "MatMul", inputs: ["x", "a"], outputs: ["p"] },
        { opType: "Add", inputs: ["p", "x"], outputs: ["y"] },
      ],
      [1, 5],
      [float32("a", numbers(4, 25), [5, 5])],
    ),
  ],
  [
    "a convolution, batch normalisation and a padded average pool",
    affine(
      [
        { opType: "Pad", inputs: ["x", "pads"], outputs: ["o"] },
        { opType: "Conv", inputs: ["o", "k"], outputs: ["p"] },
        { opType: "BatchNormalization", inputs: ["p", "g", "b", "m", "v"], outputs: ["q"] },
        {
          opType: "AveragePool",
          inputs: ["q"],
          outputs: ["y"],
          attributes: { kernel_shape: ints([2, 2]), pads: ints([1, 1, 0, 0]) },
        },
      ],
      [1, 2, 5, 5],
      [
        int64("pads", [0, 0, 1, 1, 0, 0, 1, 1]),
        float32("k", numbers(5, 54), [3, 2, 3, 3]),
        float32("g", [2, -0.5, 1.5], [3]),
        float32("b", [1, 2, 3], [3]),
        float32("m", [0, 1, 0], [3]),
        float32("v", [0.5, 2, 1], [3]),
      ],
    ),
  ],
  [
    "standardised input before a layer",
    affine(
      [
        { opType: "Sub", inputs: ["x", "mean"], outputs: ["c"] },
        { opType: "Div", inputs: ["c", "std"], outputs: ["z"] },
        { opType: "Gemm", inputs: ["z", "w"], outputs: ["y"], attributes: { transB: int(1) } },
      ],
      [1, 4],
      [
        float32("mean", [1, 2, 3, 4], [4]),
        float32("std", [0.1, 0.5, 2, 4], [4]),
        float32("w", numbers(6, 12), [3, 4]),
      ],
    ),
  ],
  [
    "edge padding before a strided convolution",
    affine(
      [
        { opType: "Pad", inputs: ["x", "pads"], outputs: ["p"], attributes: { mode: string("edge") } },
        { opType: "Conv", inputs: ["p", "k"], outputs: ["y"], attributes: { strides: ints([2, 2]) } },
      ],
      [1, 1, 4, 5],
      [int64("pads", [0, 0, 1, 1, 0, 0, 1, 1]), float32("k", numbers(7, 18), [2, 1, 3, 3])],
    ),
  ],
];

describe("affine networks are met within 1 %", () => {
  it.each(LINEAR)("%s", async (_, model) => {
    const exact = largestSingularValue(await matrixOfModel(model));
    const { lower, upper, guarantee } = await intervalOf(model);
    expect(guarantee).toBe("proof");
    expect(upper).toBeGreaterThanOrEqual(exact * (1 - 1e-6));
    expect(upper).toBeLessThanOrEqual(exact * 1.01 + 1e-12);
    expect(lower).toBeLessThanOrEqual(exact * (1 + 1e-6));
    expect(lower).toBeGreaterThanOrEqual(exact * 0.99 - 1e-12);
  });
});

/** ReLU networks of nonnegative weights without biases: on the positive orthant they are their matrices' product. */
function monotone(widths: readonly number[]): TestModel {
  const nodes: TestModel["nodes"][number][] = [];
  const initializers: NonNullable<TestModel["initializers"]>[number][] = [];
  widths.slice(1).forEach((n, k) => {
    const last = k === widths.length - 2;
    initializers.push(float32(`w${k}`, numbers(20 + k, widths[k] * n, Math.abs), [widths[k], n]));
    nodes.push({
      opType: "MatMul",
      inputs: [k === 0 ? "x" : `a${k - 1}`, `w${k}`],
      outputs: [last ? "y" : `z${k}`],
    });
    if (!last) nodes.push({ opType: "Relu", inputs: [`z${k}`], outputs: [`a${k}`] });
  });
  return affine(nodes, [1, widths[0]], initializers);
}

describe("ReLU networks of nonnegative weights have the norm of their matrices' product", () => {
  it.each([[[4, 6, 3]], [[5, 8, 8, 4]], [[3, 5, 5, 5, 2]]])("%s", async (widths) => {
    const model = monotone(widths);
    const bent = model.nodes.filter((n) => n.opType === "Relu").map((n) => n.outputs[0]);
    const straight = {
      ...model,
      nodes: model.nodes
        .filter((n) => n.opType !== "Relu")
        .map((n) => ({ ...n, inputs: n.inputs.map((i) => (bent.includes(i) ? i.replace("a", "z") : i)) })),
    };
    const exact = largestSingularValue(await matrixOfModel(straight));
    const { lower, upper } = await intervalOf(model);
    expect(upper).toBeGreaterThanOrEqual(exact * (1 - 1e-6));
    expect(lower).toBeLessThanOrEqual(exact * (1 + 1e-6));
    expect(lower).toBeGreaterThanOrEqual(exact * 0.99);
  });
});

it("sorted pairs are as steep as what they sort", async () => {
  const model: TestModel = {
    opset: 13,
    inputs: x([1, 6]),
    initializers: [int64("sizes", [3, 3])],
    nodes: [
      { opType: "Split", inputs: ["x", "sizes"], outputs: ["a", "b"], attributes: { axis: int(1) } },
      { opType: "Max", inputs: ["a", "b"], outputs: ["high"] },
      { opType: "Min", inputs: ["a", "b"], outputs: ["low"] },
      { opType: "Concat", inputs: ["high", "low"], outputs: ["y"], attributes: { axis: int(1) } },
    ],
    outputs: y,
  };
  const { lower, upper } = await intervalOf(model);
  expect(upper).toBe(1);
  expect(lower).toBeGreaterThan(0.999);
});

it("a function that is zero although its derivative by rules is not has lower end 0 and no false claim", async () => {
  const { lower, upper } = await intervalOf({
    opset: 13,
    inputs: x([1, 1]),
    nodes: [
      { opType: "Neg", inputs: ["x"], outputs: ["n"] },
      { opType: "Relu", inputs: ["x"], outputs: ["p"] },
      { opType: "Relu", inputs: ["n"], outputs: ["q"] },
      { opType: "Sub", inputs: ["x", "p"], outputs: ["d"] },
      { opType: "Add", inputs: ["d", "q"], outputs: ["y"] },
    ],
    outputs: y,
  });
  expect(lower).toBeLessThan(1e-12);
  expect(upper).toBeGreaterThanOrEqual(0);
});

it("two inputs count together: their sum is √2-Lipschitz", async () => {
  const { lower, upper } = await intervalOf({
    opset: 13,
    inputs: [
      { name: "a", shape: [1, 3] },
      { name: "b", shape: [1, 3] },
    ],
    nodes: [{ opType: "Add", inputs: ["a", "b"], outputs: ["y"] }],
    outputs: y,
  });
  expect(upper).toBeGreaterThanOrEqual(Math.SQRT2 * (1 - 1e-12));
  expect(upper).toBeLessThan(Math.SQRT2 * 1.000001);
  expect(lower).toBeGreaterThan(1.4);
});
