import { describe, expect, it } from "vitest";
import { enclose } from "../enclose.ts";
import { forward, outputsOf } from "../evaluate.ts";
import { importOnnx } from "../import-onnx.ts";
import { checkModel } from "../testing/check-operation.ts";
import { expectConstants, type OneNode, oneNode } from "../testing/one-node.ts";
import {
  float,
  float32,
  int,
  int64,
  ints,
  openTestModel,
  string,
  type TestModel,
} from "../testing/run-onnx.ts";

/** Name, operator, node, and the constants of the inputs where they are known by hand. */
type Row = readonly [name: string, op: string, node: OneNode, constants?: readonly number[]];

async function check([, op, node, constants]: Row): Promise<void> {
  const model = oneNode(op, node);
  const network = await checkModel(model, { points: 3 });
  expect(network.nodes[0].operation.kind).toBe("affine");
  if (constants !== undefined) await expectConstants(model, constants);
}

function table(rows: readonly Row[]): void {
  for (const row of rows) it(row[0], () => check(row));
}

describe("entries copied", () => {
  table([
    ["Expand", "Expand", { shapes: [[3, 1]], constants: [int64("s", [2, 1, 4])], opset: 8 }, [Math.sqrt(8)]],
    ["Expand that keeps larger axes", "Expand", { shapes: [[2, 3]], constants: [int64("s", [1, 1])] }, [1]],
    ["Expand of a scalar", "Expand", { shapes: [[]], constants: [int64("s", [2, 2])] }, [2]],
    ["Tile", "Tile", { shapes: [[2, 3]], constants: [int64("r", [2, 3])] }, [Math.sqrt(6)]],
    ["Tile, opset 7", "Tile", { shapes: [[2, 1, 2]], constants: [int64("r", [1, 4, 1])], opset: 7 }, [2]],
  ]);
});

describe("padding", () => {
  const mode = (m: string) => ({ mode: string(m) });
  table([
    ["zeros, attributes", "Pad", { attributes: { pads: ints([0, 1, 2, 0]) }, opset: 7 }, [1]],
    [
      "a value, attributes",
      "Pad",
      { attributes: { pads: ints([1, 1, 0, 0]), value: float(1.5) }, opset: 10 },
      [1],
    ],
    ["zeros", "Pad", { constants: [int64("p", [1, 0, 0, 2])] }, [1]],
    ["a value", "Pad", { constants: [int64("p", [1, 0, 0, 2]), float32("v", [-2], [])] }, [1]],
    ["dropping entries", "Pad", { shapes: [[4, 5]], constants: [int64("p", [-1, 2, 1, -3])] }, [1]],
    [
      "along some axes",
      "Pad",
      {
        shapes: [[2, 3, 2]],
        constants: [int64("p", [1, 0, 0, 1]), int64("a", [-1, 0])],
        inputs: ["x0", "p", "", "a"],
        opset: 18,
      },
      [1],
    ],
    ["edges", "Pad", { constants: [int64("p", [0, 2, 0, 1])], attributes: mode("edge") }, [Math.sqrt(3)]],
    [
      "edges of one entry",
      "Pad",
      { shapes: [[1, 2]], constants: [int64("p", [2, 0, 1, 0])], attributes: mode("edge") },
      [2],
    ],
    [
      "edges, one dropped",
      "Pad",
      { shapes: [[4, 3]], constants: [int64("p", [-1, 0, 2, 0])], attributes: mode("edge") },
      [Math.sqrt(3)],
    ],
    [
      "reflected",
      "Pad",
      { shapes: [[1, 2, 4]], constants: [int64("p", [0, 0, 3, 0, 0, 2])], attributes: mode("reflect") },
      [Math.sqrt(3)],
    ],
    [
      "reflected along two axes",
      "Pad",
      { shapes: [[3, 4]], attributes: { ...mode("reflect"), pads: ints([1, 1, 1, 1]) }, opset: 10 },
      [Math.sqrt(6)],
    ],
    [
      "reflected, dropped",
      "Pad",
      { shapes: [[5]], constants: [int64("p", [-1, 2])], attributes: mode("reflect") },
      [Math.sqrt(2)],
    ],
    [
      "wrapped",
      "Pad",
      { shapes: [[3, 4]], constants: [int64("p", [1, 2, 1, 1])], attributes: mode("wrap"), opset: 19 },
      [2],
    ],
    [
      "centred: cropped",
      "CenterCropPad",
      { shapes: [[5, 6]], constants: [int64("s", [2, 3])], opset: 18 },
      [1],
    ],
    [
      "centred: padded",
      "CenterCropPad",
      { shapes: [[2, 3]], constants: [int64("s", [5, 7])], opset: 18 },
      [1],
    ],
    [
      "centred along some axes",
      "CenterCropPad",
      {
        shapes: [[2, 3, 4]],
        constants: [int64("s", [6, 2])],
        attributes: { axes: ints([0, -1]) },
        opset: 18,
      },
      [1],
    ],
  ]);

  it("refuses a value that depends on the input", async () => {
    const model: TestModel = {
      opset: 13,
      nodes: [{ opType: "Pad", name: "node", inputs: ["x", "p", "v"], outputs: ["y"] }],
      initializers: [int64("p", [1, 1])],
      inputs: [
        { name: "x", shape: [3] },
        { name: "v", shape: [] },
      ],
      outputs: [{ name: "y" }],
    };
    await expect(importOnnx(await openTestModel(model))).rejects.toThrow(
      'Pad "node" cannot be run: its input 2 depends on the network\'s input',
    );
  });
});

describe("tensors put together and taken apart", () => {
  table([
    [
      "Concat",
      "Concat",
      {
        shapes: [
          [2, 3],
          [2, 1],
        ],
        attributes: { axis: int(1) },
      },
      [1, 1],
    ],
    [
      "Concat of three",
      "Concat",
      {
        shapes: [
          [2, 3, 2],
          [1, 3, 2],
          [3, 3, 2],
        ],
        attributes: { axis: int(-3) },
        opset: 11,
      },
      [1, 1, 1],
    ],
    [
      "Concat with constants",
      "Concat",
      {
        shapes: [
          [2, 2],
          [2, 1],
        ],
        constants: [float32("c", [1, 2, 3, 4], [2, 2]), float32("d", [5, 6], [2, 1])],
        inputs: ["c", "x0", "d", "x1"],
        attributes: { axis: int(1) },
      },
      [1, 1],
    ],
    ["Concat of one", "Concat", { attributes: { axis: int(0) } }, [1]],
    [
      "Concat of a value with itself",
      "Concat",
      { inputs: ["x0", "x0"], attributes: { axis: int(0) } },
      [Math.SQRT2],
    ],
    ["Split in equal parts", "Split", { shapes: [[4, 3]], types: ["float32", "float32"], opset: 11 }, [1]],
    [
      "Split, attribute",
      "Split",
      {
        shapes: [[2, 5]],
        attributes: { axis: int(1), split: ints([1, 3, 1]) },
        types: ["float32", "float32", "float32"],
        opset: 11,
      },
      [1],
    ],
    [
      "Split, input",
      "Split",
      {
        shapes: [[2, 5]],
        constants: [int64("s", [2, 3])],
        attributes: { axis: int(-1) },
        types: ["float32", "float32"],
      },
      [1],
    ],
    [
      "Split, uneven num_outputs",
      "Split",
      {
        shapes: [[2, 7]],
        attributes: { axis: int(1), num_outputs: int(3) },
        types: ["float32", "float32", "float32"],
        opset: 18,
      },
      [1],
    ],
    [
      "Col2Im",
      "Col2Im",
      { shapes: [[1, 8, 12]], constants: [int64("i", [4, 5]), int64("b", [2, 2])], opset: 18 },
      [2],
    ],
    [
      "Col2Im, everything set",
      "Col2Im",
      {
        shapes: [[2, 12, 9]],
        constants: [int64("i", [5, 4]), int64("b", [2, 3])],
        attributes: { dilations: ints([2, 1]), strides: ints([2, 2]), pads: ints([1, 2, 1, 1]) },
        opset: 18,
      },
    ],
  ]);

  it("Split whose second part nobody reads", async () => {
    const model: TestModel = {
      opset: 13,
      nodes: [
        {
          opType: "Split",
          name: "node",
          inputs: ["x", "s"],
          outputs: ["a", "b", "c"],
          attributes: { axis: int(1) },
        },
      ],
      initializers: [int64("s", [1, 3, 2])],
      inputs: [{ name: "x", shape: [2, 6] }],
      outputs: [{ name: "a" }, { name: "c" }],
    };
    const network = await checkModel(model);
    expect(network.nodes[0].size).toBe(6);
  });
});

it("builds a large transpose and concat quickly", async () => {
  const model: TestModel = {
    opset: 13,
    nodes: [
      { opType: "Transpose", inputs: ["x"], outputs: ["t"], attributes: { perm: ints([0, 2, 3, 1]) } },
      { opType: "Concat", inputs: ["t", "t"], outputs: ["y"], attributes: { axis: int(3) } },
    ],
    inputs: [{ name: "x", shape: [1, 64, 224, 224] }],
    outputs: [{ name: "y" }],
  };
  const start = performance.now();
  const network = await importOnnx(await openTestModel(model));
  const x = new Float64Array(64 * 224 * 224).map((_, i) => i);
  const [y] = outputsOf(network, forward(network, [x]));
  expect(y[128 * 5 + 67]).toBe(3 * 224 * 224 + 5);
  expect(performance.now() - start).toBeLessThan(5000);
});

it("moves the ends of boxes exactly, infinite ones too", async () => {
  const model = oneNode("Concat", {
    shapes: [[2], [2]],
    constants: [float32("c", [0.1])],
    attributes: { axis: int(0) },
  });
  const network = await importOnnx(await openTestModel(model));
  const [image] = enclose(network, [
    { lo: Float64Array.of(0, -Infinity), hi: Float64Array.of(Infinity, 1 / 3) },
    { lo: Float64Array.of(0.1, 0.2), hi: Float64Array.of(0.1, 0.2) },
  ]);
  const c = Math.fround(0.1);
  expect(image.lo).toEqual(Float64Array.of(0, -Infinity, 0.1, 0.2, c));
  expect(image.hi).toEqual(Float64Array.of(Infinity, 1 / 3, 0.1, 0.2, c));
});
