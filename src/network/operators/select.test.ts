import { describe, expect, it } from "vitest";
import { importOnnx } from "../import-onnx.ts";
import { type CheckOptions, checkModel } from "../testing/check-operation.ts";
import { constantsOf } from "../testing/constants-of.ts";
import { expectConstants, type OneNode, oneNode } from "../testing/one-node.ts";
import { float32, int, int64, ints, openTestModel, string, type TestModel } from "../testing/run-onnx.ts";

const bool = (name: string, data: readonly number[]) => ({
  name,
  dtype: "bool",
  shape: [data.length],
  data: Uint8Array.from(data),
});

/** Name, operator, node, and the constants of the inputs where they are known by hand (null: there are none). */
type Row = readonly [name: string, op: string, node: OneNode, constants: readonly number[] | null];

async function check([, op, node, constants]: Row, options: CheckOptions = {}): Promise<void> {
  const model = oneNode(op, node);
  await checkModel(model, { points: 3, ...options });
  await expectConstants(model, constants);
}

function table(rows: readonly Row[], options?: CheckOptions): void {
  for (const row of rows) it(row[0], () => check(row, options));
}

const end = 2 ** 53;

describe("Slice", () => {
  const slice = (starts: number[], ends: number[], axes?: number[], steps?: number[]) => ({
    constants: [
      int64("s", starts),
      int64("e", ends),
      ...(axes ? [int64("a", axes)] : []),
      ...(steps ? [int64("t", steps)] : []),
    ],
  });
  table([
    [
      "attributes",
      "Slice",
      { shapes: [[4, 5]], attributes: { starts: ints([1, -3]), ends: ints([3, 99]) }, opset: 9 },
      [1],
    ],
    [
      "attributes with axes",
      "Slice",
      { shapes: [[4, 5]], attributes: { starts: ints([-2]), ends: ints([-1]), axes: ints([1]) }, opset: 7 },
      [1],
    ],
    ["inputs", "Slice", { shapes: [[4, 5]], ...slice([1, 0], [3, -1]), opset: 10 }, [1]],
    ["inputs with axes", "Slice", { shapes: [[2, 3, 4]], ...slice([1, 0], [end, 2], [-1, 1]) }, [1]],
    ["steps", "Slice", { shapes: [[5, 7]], ...slice([0, 1], [end, 7], [0, 1], [2, 3]) }, [1]],
    ["negative steps", "Slice", { shapes: [[5, 7]], ...slice([-1, 5], [-end, 0], [0, 1], [-1, -2]) }, [1]],
    ["starts beyond the axis", "Slice", { shapes: [[3, 2]], ...slice([-99], [2], [0]) }, [1]],
  ]);
});

describe("Compress", () => {
  table([
    [
      "along an axis",
      "Compress",
      { shapes: [[2, 4]], constants: [bool("c", [1, 0, 1])], attributes: { axis: int(1) } },
      [1],
    ],
    ["flattened", "Compress", { shapes: [[2, 3]], constants: [bool("c", [0, 1, 0, 0, 1])], opset: 9 }, [1]],
    [
      "negative axis",
      "Compress",
      { shapes: [[3, 2]], constants: [bool("c", [0, 1, 1])], attributes: { axis: int(-2) }, opset: 11 },
      [1],
    ],
  ]);
});

describe("Gather", () => {
  table([
    ["axis 0", "Gather", { shapes: [[3, 2]], constants: [int64("i", [2, 0])], opset: 7 }, [1]],
    [
      "repeats and negative indices",
      "Gather",
      { shapes: [[2, 3]], constants: [int64("i", [0, -3, 2, -1], [2, 2])], attributes: { axis: int(1) } },
      [Math.SQRT2],
    ],
    [
      "a scalar index",
      "Gather",
      { shapes: [[2, 3, 2]], constants: [int64("i", [1], [])], attributes: { axis: int(-2) } },
      [1],
    ],
    [
      "GatherElements",
      "GatherElements",
      { shapes: [[3, 3]], constants: [int64("i", [1, 2, 0, 2, 0, 0], [2, 3])] },
      [Math.SQRT2],
    ],
    [
      "GatherElements, another axis",
      "GatherElements",
      {
        shapes: [[2, 3]],
        constants: [int64("i", [-1, 0, 2, 2, -1, 1, 1, 1], [2, 4])],
        attributes: { axis: int(1) },
        opset: 11,
      },
      [Math.sqrt(3)],
    ],
    [
      "GatherND of entries",
      "GatherND",
      { shapes: [[2, 3]], constants: [int64("i", [0, 0, 1, -1, 0, 0], [3, 2])] },
      [Math.SQRT2],
    ],
    [
      "GatherND of slices",
      "GatherND",
      { shapes: [[2, 3, 2]], constants: [int64("i", [1, 0], [2, 1])], opset: 11 },
      [1],
    ],
    [
      "GatherND with batch axes",
      "GatherND",
      {
        shapes: [[2, 3, 2]],
        constants: [int64("i", [1, 0, 2, 2], [2, 2, 1])],
        attributes: { batch_dims: int(1) },
        opset: 12,
      },
      [Math.SQRT2],
    ],
    [
      "more indices than shape arithmetic keeps",
      "Gather",
      {
        shapes: [[3]],
        constants: [
          int64(
            "i",
            Array.from({ length: 1100 }, (_, k) => k % 3),
          ),
        ],
      },
      [Math.sqrt(367)],
    ],
  ]);

  it("refuses indices outside the axis", async () => {
    const model = oneNode("Gather", { shapes: [[3]], constants: [int64("i", [3])] });
    await expect(importOnnx(await openTestModel(model))).rejects.toThrow("an index lies outside its axis");
  });

  it("refuses indices that depend on the input", async () => {
    const model: TestModel = {
      opset: 13,
      nodes: [
        {
          opType: "ArgMax",
          name: "best",
          inputs: ["x"],
          outputs: ["i"],
          attributes: { axis: int(0), keepdims: int(0) },
        },
        { opType: "Gather", name: "pick", inputs: ["x", "i"], outputs: ["y"] },
      ],
      inputs: [{ name: "x", shape: [4] }],
      outputs: [{ name: "y" }],
    };
    const opened = await openTestModel(model);
    await expect(importOnnx(opened)).rejects.toThrow("its input 1 depends on the network's input");
    expect(await constantsOf(opened)).toBeNull();
  });
});

describe("Scatter", () => {
  const indices = int64("i", [1, 0, 2, 0, 2, 1], [2, 3]);
  const updates = float32("u", [10, 20, 30, 40, 50, 60], [2, 3]);
  const all = {
    shapes: [
      [3, 3],
      [2, 3],
    ],
    constants: [indices],
    inputs: ["x0", "i", "x1"],
  };
  const reduce = (reduction: string) => ({ attributes: { reduction: string(reduction) } });
  table([
    ["into signals, from signals", "ScatterElements", all, [1, 1]],
    ["operator set 9", "Scatter", { ...all, opset: 9 }, [1, 1]],
    ["constants into signals", "ScatterElements", { shapes: [[3, 3]], constants: [indices, updates] }, [1]],
    [
      "signals into constants",
      "ScatterElements",
      {
        shapes: [[2, 3]],
        constants: [float32("d", [1, 2, 3, 4, 5, 6, 7, 8, 9], [3, 3]), indices],
        inputs: ["d", "i", "x0"],
        attributes: { axis: int(0) },
      },
      [1],
    ],
    [
      "along another axis",
      "ScatterElements",
      {
        shapes: [
          [2, 4],
          [2, 2],
        ],
        constants: [int64("i", [-1, 0, 1, 2], [2, 2])],
        inputs: ["x0", "i", "x1"],
        attributes: { axis: int(1) },
        opset: 11,
      },
      [1, 1],
    ],
    [
      "added",
      "ScatterElements",
      {
        shapes: [
          [3, 2],
          [4, 1],
        ],
        constants: [int64("i", [1, 1, 0, 1], [4, 1])],
        inputs: ["x0", "i", "x1"],
        ...reduce("add"),
        opset: 18,
      },
      [1, Math.sqrt(3)],
    ],
    [
      "constants added, several to one entry",
      "ScatterElements",
      {
        shapes: [[3]],
        constants: [int64("i", [1, 1, 0]), float32("u", [0.1, 0.2, 0.3])],
        ...reduce("add"),
        opset: 16,
      },
      [1],
    ],
    [
      "multiplied by constants",
      "ScatterElements",
      { shapes: [[4]], constants: [int64("i", [1, 3]), float32("u", [2, -3])], ...reduce("mul"), opset: 18 },
      null,
    ],
    [
      "ScatterND of entries",
      "ScatterND",
      { shapes: [[2, 3], [2]], constants: [int64("i", [0, 2, 1, -3], [2, 2])], inputs: ["x0", "i", "x1"] },
      [1, 1],
    ],
    [
      "ScatterND of slices",
      "ScatterND",
      {
        shapes: [
          [3, 2],
          [1, 2],
        ],
        constants: [int64("i", [1], [1, 1])],
        inputs: ["x0", "i", "x1"],
        opset: 11,
      },
      [1, 1],
    ],
    [
      "ScatterND, added",
      "ScatterND",
      {
        shapes: [
          [3, 2],
          [2, 2],
        ],
        constants: [int64("i", [1, 1], [2, 1])],
        inputs: ["x0", "i", "x1"],
        ...reduce("add"),
        opset: 18,
      },
      [1, Math.SQRT2],
    ],
  ]);

  it("the last of several updates wins", () =>
    check([
      "",
      "ScatterElements",
      {
        shapes: [[3], [4]],
        constants: [int64("i", [1, 0, 1, 1])],
        inputs: ["x0", "i", "x1"],
        attributes: { axis: int(0) },
      },
      [1, 1],
    ]));

  it("names reductions it does not cover", async () => {
    const model = oneNode("ScatterElements", {
      shapes: [
        [3, 3],
        [2, 3],
      ],
      constants: [indices],
      inputs: ["x0", "i", "x1"],
      ...reduce("max"),
      opset: 18,
    });
    await expect(importOnnx(await openTestModel(model))).rejects.toThrow('reduction "max" is not covered');
    expect(await constantsOf(await openTestModel(model))).toBeNull();
  });
});

describe("TopK", () => {
  const k = (n: number) => ({ constants: [int64("k", [n])] });
  const values = { types: ["float32", ""] };
  table([
    ["values", "TopK", { shapes: [[3, 5]], ...k(3), ...values }, [1]],
    [
      "smallest, another axis",
      "TopK",
      { shapes: [[4, 3]], ...k(2), ...values, attributes: { axis: int(0), largest: int(0) } },
      [1],
    ],
    [
      "operator set 10",
      "TopK",
      { shapes: [[2, 3, 2]], ...k(2), ...values, attributes: { axis: int(1) }, opset: 10 },
      [1],
    ],
    ["operator set 7", "TopK", { shapes: [[2, 4]], attributes: { k: int(4) }, ...values, opset: 7 }, [1]],
    ["values and indices", "TopK", { shapes: [[2, 4]], ...k(2), types: ["float32", "int64"] }, null],
  ]);

  it("indices nobody reads", async () => {
    const model = {
      ...oneNode("TopK", { shapes: [[2, 4]], ...k(2), types: ["float32", "int64"] }),
      outputs: [{ name: "y0" }],
    };
    const network = await checkModel({ ...model, nodes: model.nodes.slice(0, 1) });
    const [{ operation, size }] = network.nodes;
    expect(size).toBe(4);
    const box = { lo: new Float64Array(8), hi: new Float64Array(8).fill(1) };
    expect(operation.kind === "general" && operation.local?.([box])).toEqual({ constants: [1], join: "sum" });
  });

  it("has no constant for its indices alone", async () => {
    const model = {
      ...oneNode("TopK", { shapes: [[2, 4]], ...k(2), types: ["float32", "int64"] }),
      outputs: [{ name: "y1" }],
    };
    await checkModel(model);
    expect(await constantsOf(await openTestModel(model))).toBeNull();
  });

  it("the first of equal entries comes first", async () => {
    for (const largest of [0, 1]) {
      const model: TestModel = {
        opset: 13,
        nodes: [
          { opType: "Cast", inputs: ["x"], outputs: ["whole"], attributes: { to: int(6) } },
          {
            opType: "TopK",
            inputs: ["whole", "k"],
            outputs: ["best", "where"],
            attributes: { largest: int(largest) },
          },
          { opType: "Cast", inputs: ["best"], outputs: ["y"], attributes: { to: int(1) } },
          { opType: "Cast", inputs: ["where"], outputs: ["i"], attributes: { to: int(1) } },
        ],
        initializers: [int64("k", [5])],
        inputs: [{ name: "x", shape: [3, 12] }],
        outputs: [{ name: "y" }, { name: "i" }],
      };
      await checkModel(model, { range: [-3, 3] });
    }
  });

  // The order is left to the runtime: [2, 5, 1] may become [5, 2] where two equal entries change places.
  it("refuses unsorted values", async () => {
    const model = oneNode("TopK", { shapes: [[2, 4]], ...k(2), ...values, attributes: { sorted: int(0) } });
    await expect(importOnnx(await openTestModel(model))).rejects.toThrow("sorted=0");
    expect(await constantsOf(await openTestModel(model))).toBeNull();
  });
});

it("OneHot of the largest entry", async () => {
  for (const axis of [-1, 0, 1]) {
    const model: TestModel = {
      opset: 13,
      nodes: [
        { opType: "ArgMax", inputs: ["x"], outputs: ["i"], attributes: { axis: int(1), keepdims: int(0) } },
        {
          opType: "OneHot",
          inputs: ["i", "depth", "values"],
          outputs: ["y"],
          attributes: { axis: int(axis) },
        },
      ],
      initializers: [int64("depth", [3]), float32("values", [-1, 2])],
      inputs: [{ name: "x", shape: [4, 5] }],
      outputs: [{ name: "y" }],
    };
    await checkModel(model);
    expect(await constantsOf(await openTestModel(model))).toBeNull();
  }
});
