import { describe, expect, it } from "vitest";
import { importOnnx } from "../import-onnx.ts";
import { checkModel } from "../testing/check-operation.ts";
import { constantsOf } from "../testing/constants-of.ts";
import { expectConstants, type OneNode, oneNode } from "../testing/one-node.ts";
import { float32, int, int64, ints, openTestModel, string, type TestModel } from "../testing/run-onnx.ts";

const bool = (name: string, data: readonly number[]) => ({
  name,
  dtype: "bool",
  shape: [data.length],
  data: Uint8Array.from(data),
});
const scalar = (name: string, value: number) => int64(name, [value], []);

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

describe("entries in their order", () => {
  table([
    ["Identity", "Identity", {}, [1]],
    ["Identity of a scalar", "Identity", { shapes: [[]], opset: 16 }, [1]],
    ["Reshape with 0 and −1", "Reshape", { shapes: [[2, 3, 4]], constants: [int64("s", [0, -1, 2])] }, [1]],
    [
      "Reshape, allowzero",
      "Reshape",
      { constants: [int64("s", [3, 2])], attributes: { allowzero: int(1) } },
      [1],
    ],
    ["Reshape to a scalar", "Reshape", { shapes: [[1, 1]], constants: [int64("s", [])], opset: 7 }, [1]],
    ["Flatten", "Flatten", { shapes: [[2, 3, 2]], attributes: { axis: int(2) } }, [1]],
    [
      "Flatten, negative axis",
      "Flatten",
      { shapes: [[2, 3, 2]], attributes: { axis: int(-3) }, opset: 11 },
      [1],
    ],
    [
      "Squeeze, attribute",
      "Squeeze",
      { shapes: [[1, 3, 1]], attributes: { axes: ints([0]) }, opset: 11 },
      [1],
    ],
    ["Squeeze, input", "Squeeze", { shapes: [[1, 3, 1]], constants: [int64("a", [-1])], opset: 13 }, [1]],
    ["Squeeze everything", "Squeeze", { shapes: [[1, 1]] }, [1]],
    ["Unsqueeze, attribute", "Unsqueeze", { attributes: { axes: ints([0, 3]) }, opset: 11 }, [1]],
    ["Unsqueeze, input", "Unsqueeze", { constants: [int64("a", [-1, 1])], opset: 21 }, [1]],
    ["CastLike", "CastLike", { constants: [float32("t", [0])] }, [1]],
    ["CastLike of two signals", "CastLike", { shapes: [[2, 3], [4]] }, [1, 0]],
    ["Dropout", "Dropout", { opset: 7 }, [1]],
    ["Dropout with its mask", "Dropout", { opset: 13, types: ["float32", "bool"] }, [Math.SQRT2]],
    [
      "Dropout that is switched off",
      "Dropout",
      { opset: 13, constants: [float32("r", [0.5], []), { ...bool("t", [0]), shape: [] }] },
      [1],
    ],
  ]);
});

describe("entries moved", () => {
  table([
    ["Transpose", "Transpose", { shapes: [[2, 3, 4]] }, [1]],
    [
      "Transpose by an order",
      "Transpose",
      { shapes: [[2, 3, 1, 2]], attributes: { perm: ints([2, 0, 3, 1]) } },
      [1],
    ],
    ["Transpose of a scalar", "Transpose", { shapes: [[]] }, [1]],
    [
      "DepthToSpace, default",
      "DepthToSpace",
      { shapes: [[2, 8, 1, 3]], attributes: { blocksize: int(2) }, opset: 7 },
      [1],
    ],
    [
      "DepthToSpace, CRD",
      "DepthToSpace",
      { shapes: [[1, 8, 2, 3]], attributes: { blocksize: int(2), mode: string("CRD") } },
      [1],
    ],
    [
      "DepthToSpace, DCR",
      "DepthToSpace",
      { shapes: [[1, 18, 2, 1]], attributes: { blocksize: int(3), mode: string("DCR") } },
      [1],
    ],
    ["SpaceToDepth", "SpaceToDepth", { shapes: [[2, 2, 4, 6]], attributes: { blocksize: int(2) } }, [1]],
    ["Trilu", "Trilu", { shapes: [[3, 4]] }, [1]],
    ["Trilu, lower, a batch", "Trilu", { shapes: [[2, 3, 3]], attributes: { upper: int(0) } }, [1]],
    ["Trilu above", "Trilu", { shapes: [[4, 3]], constants: [scalar("k", 1)] }, [1]],
    [
      "Trilu below",
      "Trilu",
      { shapes: [[2, 4, 3]], constants: [scalar("k", -2)], attributes: { upper: int(0) } },
      [1],
    ],
    ["ReverseSequence", "ReverseSequence", { shapes: [[4, 3, 2]], constants: [int64("l", [1, 4, 3])] }, [1]],
    [
      "ReverseSequence, batch first",
      "ReverseSequence",
      {
        shapes: [[2, 4]],
        constants: [int64("l", [2, 4])],
        attributes: { batch_axis: int(0), time_axis: int(1) },
      },
      [1],
    ],
  ]);
});

describe("casts", () => {
  const cast = (to: number, back = 1): TestModel => ({
    opset: 13,
    nodes: [
      { opType: "Cast", name: "there", inputs: ["x"], outputs: ["n"], attributes: { to: int(to) } },
      { opType: "Cast", name: "back", inputs: ["n"], outputs: ["y"], attributes: { to: int(back) } },
    ],
    inputs: [{ name: "x", shape: [2, 3] }],
    outputs: [{ name: "y" }],
  });

  it("float64 and back", async () => {
    const network = await checkModel(cast(11));
    expect(network.nodes.map((n) => n.operation.kind)).toEqual(["affine", "affine"]);
    expect((await constantsOf(await openTestModel(cast(11))))?.constants).toEqual([1]);
  });

  for (const [name, to] of [
    ["int64", 7],
    ["int32", 6],
    ["bool", 9],
  ] as const) {
    it(`${name} and back`, async () => {
      await checkModel(cast(to), { range: [-5, 5] });
      expect(await constantsOf(await openTestModel(cast(to)))).toBeNull();
    });
  }

  it("bool of intervals with and without 0", async () => {
    const { nodes } = await importOnnx(await openTestModel(cast(9)));
    const [{ operation }] = nodes;
    if (operation.kind !== "general") throw new Error("a cast to bool jumps");
    const image = operation.image?.([
      { lo: Float64Array.of(-1, 0, 1, -2, 0, -0.5), hi: Float64Array.of(1, 0, 2, -1, 3, 0) },
    ]);
    expect(image?.lo).toEqual(Float64Array.of(0, 0, 1, 1, 0, 0));
    expect(image?.hi).toEqual(Float64Array.of(1, 0, 1, 1, 1, 1));
  });
});

it("Dropout of which only the mask is read", async () => {
  const whole = oneNode("Dropout", { opset: 13, types: ["float32", "bool"] });
  const network = await checkModel({ ...whole, outputs: [{ name: "y1" }] });
  expect(network.nodes[0].size).toBe(6);
});

it("refuses dropout in training mode", async () => {
  const training = oneNode("Dropout", {
    opset: 13,
    constants: [float32("r", [0.5], []), { ...bool("t", [1]), shape: [] }],
  });
  await expect(importOnnx(await openTestModel(training))).rejects.toThrow("draws random numbers");
  expect(await constantsOf(await openTestModel(training))).toBeNull();
});
