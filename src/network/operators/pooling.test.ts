import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { importOnnx } from "../import-onnx.ts";
import { checkModel } from "../testing/check-operation.ts";
import { constantsOf } from "../testing/constants-of.ts";
import { type OneNode, oneNode } from "../testing/one-node.ts";
import { int, ints, openTestModel, string } from "../testing/run-onnx.ts";
import type { GeneralOperation } from "./operation.ts";

interface Row {
  readonly name: string;
  readonly node: OneNode;
  /** Constants known by hand. */
  readonly constant?: number;
}

const POOLS: readonly Row[] = [
  { name: "one axis", node: { shapes: [[1, 2, 7]], attributes: { kernel_shape: ints([3]) }, opset: 7 } },
  {
    name: "strides that do not overlap",
    node: { shapes: [[2, 1, 4, 6]], attributes: { kernel_shape: ints([2, 3]), strides: ints([2, 3]) } },
  },
  {
    name: "padding",
    node: {
      shapes: [[1, 2, 5, 5]],
      attributes: { kernel_shape: ints([3, 3]), strides: ints([2, 2]), pads: ints([1, 1, 1, 1]) },
    },
  },
  {
    name: "uneven padding",
    node: { shapes: [[2, 1, 4, 5]], attributes: { kernel_shape: ints([2, 3]), pads: ints([1, 0, 0, 2]) } },
  },
  {
    name: "ceil_mode",
    node: {
      shapes: [[1, 2, 6, 5]],
      attributes: { kernel_shape: ints([3, 2]), strides: ints([2, 2]), ceil_mode: int(1) },
    },
  },
  {
    name: "ceil_mode with padding",
    node: {
      shapes: [[1, 1, 6, 7]],
      attributes: {
        kernel_shape: ints([3, 3]),
        strides: ints([2, 3]),
        pads: ints([1, 1, 0, 1]),
        ceil_mode: int(1),
      },
    },
  },
  {
    name: "SAME_UPPER",
    node: {
      shapes: [[1, 2, 5, 6]],
      attributes: { kernel_shape: ints([2, 3]), strides: ints([2, 2]), auto_pad: string("SAME_UPPER") },
    },
  },
  {
    name: "SAME_LOWER",
    node: {
      shapes: [[1, 2, 5, 6]],
      attributes: { kernel_shape: ints([2, 3]), strides: ints([1, 2]), auto_pad: string("SAME_LOWER") },
    },
  },
  {
    name: "VALID",
    node: {
      shapes: [[1, 2, 5, 6]],
      attributes: { kernel_shape: ints([2, 2]), strides: ints([2, 3]), auto_pad: string("VALID") },
    },
  },
  { name: "three axes", node: { shapes: [[1, 2, 3, 4, 3]], attributes: { kernel_shape: ints([2, 2, 2]) } } },
];

const DILATED: Row = {
  name: "dilations",
  node: {
    shapes: [[1, 2, 7, 8]],
    attributes: {
      kernel_shape: ints([2, 3]),
      dilations: ints([2, 3]),
      strides: ints([1, 2]),
      pads: ints([1, 2, 0, 2]),
    },
  },
};

async function check(op: string, { node, constant }: Row, opset?: number): Promise<void> {
  const model = oneNode(op, opset === undefined ? node : { ...node, opset });
  await checkModel(model, { points: 3, width: 2 });
  const found = await constantsOf(await openTestModel(model));
  expect(found?.constants).toHaveLength(1);
  if (constant !== undefined) {
    expect(found?.constants[0]).toBeGreaterThanOrEqual(constant);
    expect(found?.constants[0]).toBeLessThanOrEqual(constant * (1 + 1e-14));
  }
}

const withAttribute = (row: Row, more: NonNullable<OneNode["attributes"]>): Row => ({
  ...row,
  node: { ...row.node, attributes: { ...row.node.attributes, ...more } },
});

describe("MaxPool", () => {
  for (const row of [...POOLS, DILATED]) it(row.name, () => check("MaxPool", row));

  for (const order of [0, 1]) {
    it(`with indices, storage_order ${order}`, async () => {
      for (const row of [POOLS[2], DILATED, POOLS[9]]) {
        const { node } = withAttribute(row, { storage_order: int(order) });
        const model = oneNode("MaxPool", { ...node, types: ["float32", "int64"] });
        await checkModel(model, { points: 2 });
        expect(await constantsOf(await openTestModel(model))).toBeNull();
      }
    });
  }

  it("operator sets 8, 10 and 22", async () => {
    for (const opset of [8, 10, 22]) await check("MaxPool", POOLS[2], opset);
  });

  it("has no constant for its indices alone", async () => {
    const model = {
      ...oneNode("MaxPool", { ...POOLS[2].node, types: ["float32", "int64"] }),
      outputs: [{ name: "y1" }],
    };
    expect(await constantsOf(await openTestModel(model))).toBeNull();
  });

  it("is less steep where few entries can win", async () => {
    const model = oneNode("MaxPool", { shapes: [[1, 1, 7]], attributes: { kernel_shape: ints([3]) } });
    const { nodes } = await importOnnx(await openTestModel(model));
    const operation = nodes[0].operation as GeneralOperation;
    const around = (x: readonly number[], r: number) => ({
      lo: Float64Array.from(x, (v) => v - r),
      hi: Float64Array.from(x, (v) => v + r),
    });
    const steepness = (x: readonly number[], r: number) => operation.local?.([around(x, r)])?.constants[0];
    // 8 and 7 win two windows each, 9 in the middle wins three.
    expect(steepness([9, 1, 8, 2, 7, 3, 6], 0.1)).toBeCloseTo(Math.SQRT2, 14);
    expect(steepness([0, 1, 2, 9, 2, 1, 0], 0.1)).toBeCloseTo(Math.sqrt(3), 14);
    expect(steepness([9, 1, 8, 2, 7, 3, 6], 100)).toBeCloseTo(Math.sqrt(3), 14);
  });

  it("refuses windows that hold padding alone", async () => {
    const model = oneNode("MaxPool", {
      shapes: [[1, 1, 2]],
      attributes: { kernel_shape: ints([2]), dilations: ints([3]), pads: ints([2, 2]) },
    });
    await expect(importOnnx(await openTestModel(model))).rejects.toThrow(
      "a window lies in the padding alone",
    );
  });
});

describe("AveragePool", () => {
  for (const row of POOLS) {
    it(row.name, () => check("AveragePool", row));
    it(`${row.name}, padding counted`, () =>
      check("AveragePool", withAttribute(row, { count_include_pad: int(1) })));
  }

  it("dilations", () => check("AveragePool", DILATED, 19));
  it("dilations, padding counted", () =>
    check("AveragePool", withAttribute(DILATED, { count_include_pad: int(1) }), 19));

  it("operator sets 7, 11 and 22", async () => {
    for (const opset of [7, 11, 22]) await check("AveragePool", POOLS[2], opset);
  });
});

describe("LpPool", () => {
  for (const row of POOLS) {
    it(row.name, () => check("LpPool", row, 18));
    it(`${row.name}, p = 1`, () => check("LpPool", withAttribute(row, { p: int(1) }), 18));
  }
  it("dilations", () => check("LpPool", DILATED, 18));
  it("operator set 11", () => check("LpPool", POOLS[2], 11));

  it("names a p it does not cover", async () => {
    const { node } = withAttribute(POOLS[0], { p: int(3) });
    await expect(importOnnx(await openTestModel(oneNode("LpPool", node)))).rejects.toThrow(
      "p = 3 is not covered",
    );
  });
});

describe("global pooling", () => {
  const shapes = [[2, 3, 4, 5]];
  const rows: readonly (readonly [string, Row])[] = [
    ["GlobalMaxPool", { name: "", node: { shapes }, constant: 1 }],
    ["GlobalAveragePool", { name: "", node: { shapes, opset: 7 }, constant: 1 / Math.sqrt(20) }],
    ["GlobalAveragePool", { name: ", one axis", node: { shapes: [[1, 2, 9]], opset: 22 }, constant: 1 / 3 }],
    ["GlobalLpPool", { name: "", node: { shapes }, constant: 1 }],
    [
      "GlobalLpPool",
      { name: ", p = 1", node: { shapes, attributes: { p: int(1) } }, constant: Math.sqrt(20) },
    ],
  ];
  for (const [op, row] of rows) it(`${op}${row.name}`, () => check(op, row));
});

describe("boxes", () => {
  const operationOf = async (op: string, node: OneNode) =>
    (await importOnnx(await openTestModel(oneNode(op, node)))).nodes[0].operation as GeneralOperation;
  const number = fc.oneof(
    fc.double({ noNaN: true }),
    fc.constantFrom(0, -0, Infinity, -Infinity, 1e308, -1e308, 5e-324),
  );
  const intervals = fc.array(fc.tuple(number, number, fc.double({ min: 0, max: 1, noNaN: true })), {
    minLength: 6,
    maxLength: 6,
  });

  for (const op of ["MaxPool", "LpPool"]) {
    it(`${op} stays in its image`, async () => {
      const operation = await operationOf(op, {
        shapes: [[1, 1, 6]],
        attributes: { kernel_shape: ints([3]), pads: ints([1, 1]) },
      });
      fc.assert(
        fc.property(intervals, (entries) => {
          const lo = Float64Array.from(entries, ([a, b]) => Math.min(a, b));
          const hi = Float64Array.from(entries, ([a, b]) => Math.max(a, b));
          const x = Float64Array.from(entries, ([, , t], i) => {
            const between = lo[i] * (1 - t) + hi[i] * t;
            return Math.min(Math.max(Number.isNaN(between) ? 0 : between, lo[i]), hi[i]);
          });
          const image = operation.image!([{ lo, hi }]);
          operation.forward([x]).forEach((y, i) => {
            // A maximum is exact; a norm is rounded twice, and overflows.
            const slack = op === "MaxPool" || y === Infinity ? 0 : 1e-15 * y;
            expect(image.lo[i]).toBeLessThanOrEqual(y + slack);
            expect(image.hi[i]).toBeGreaterThanOrEqual(y - slack);
          });
        }),
        { numRuns: 300 },
      );
    });
  }

  it("is tight at a point", async () => {
    const x = Float64Array.of(1, -2, 3, 0.1, 0.2, -0.3);
    for (const op of ["MaxPool", "LpPool"]) {
      const operation = await operationOf(op, {
        shapes: [[1, 1, 6]],
        attributes: { kernel_shape: ints([3]) },
      });
      const { lo, hi } = operation.image!([{ lo: x, hi: x }]);
      lo.forEach((a, i) => void expect(hi[i] - a).toBeLessThanOrEqual(1e-13 * Math.abs(a)));
    }
  });
});
