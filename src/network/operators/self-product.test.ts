import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { importOnnx } from "../import-onnx.ts";
import { checkModel } from "../testing/check-operation.ts";
import { float, float32, openTestModel, type TestModel } from "../testing/run-onnx.ts";
import type { ScalarFunction } from "./operation.ts";
import { clippedProduct, erfProduct } from "./self-product.ts";

type Nodes = TestModel["nodes"];

function model(nodes: Nodes, constants: Readonly<Record<string, number>> = {}): TestModel {
  return {
    opset: 13,
    inputs: [{ name: "x", shape: [2, 5] }],
    initializers: Object.entries(constants).map(([name, value]) => float32(name, [value], [])),
    nodes,
    outputs: [{ name: "y" }],
  };
}

const unary = (opType: string, from: string, to: string, attributes = {}): Nodes[number] => ({
  opType,
  inputs: [from],
  outputs: [to],
  attributes,
});
const binary = (opType: string, a: string, b: string, to: string): Nodes[number] => ({
  opType,
  inputs: [a, b],
  outputs: [to],
});

/** As exporters write them; the operator each becomes, and the largest slope it may have. */
const WRITTEN: readonly (readonly [string, TestModel, readonly string[], number])[] = [
  ["SiLU", model([unary("Sigmoid", "x", "s"), binary("Mul", "x", "s", "y")]), ["Swish"], 1.09985],
  [
    "SiLU, the other way round",
    model([unary("Sigmoid", "x", "s"), binary("Mul", "s", "x", "y")]),
    ["Swish"],
    1.09985,
  ],
  [
    "QuickGELU",
    model([binary("Mul", "x", "c", "t"), unary("Sigmoid", "t", "s"), binary("Mul", "x", "s", "y")], {
      c: 1.702,
    }),
    ["Swish"],
    1.09985,
  ],
  [
    "Mish",
    model([unary("Softplus", "x", "p"), unary("Tanh", "p", "t"), binary("Mul", "x", "t", "y")]),
    ["Mish"],
    1.0885,
  ],
  [
    "HardSwish by Clip",
    model(
      [
        binary("Add", "x", "three", "a"),
        { opType: "Clip", inputs: ["a", "zero", "six"], outputs: ["c"] },
        binary("Mul", "x", "c", "m"),
        binary("Div", "m", "six", "y"),
      ],
      { three: 3, zero: 0, six: 6 },
    ),
    ["ClippedProduct", "Div"],
    1.500001,
  ],
  [
    "HardSwish by HardSigmoid",
    model([
      unary("HardSigmoid", "x", "h", { alpha: float(1 / 6), beta: float(0.5) }),
      binary("Mul", "x", "h", "y"),
    ]),
    ["ClippedProduct"],
    1.500001,
  ],
  [
    "GELU",
    model(
      [
        binary("Div", "x", "root", "d"),
        unary("Erf", "d", "e"),
        binary("Add", "e", "one", "a"),
        binary("Mul", "x", "a", "m"),
        binary("Mul", "m", "half", "y"),
      ],
      { root: Math.SQRT2, one: 1, half: 0.5 },
    ),
    ["ErfProduct", "Mul"],
    1.12891,
  ],
  [
    "GELU, halved first",
    model(
      [
        binary("Mul", "x", "scale", "d"),
        unary("Erf", "d", "e"),
        binary("Add", "one", "e", "a"),
        binary("Mul", "x", "half", "h"),
        binary("Mul", "h", "a", "y"),
      ],
      { scale: Math.SQRT1_2, one: 1, half: 0.5 },
    ),
    ["ErfProduct"],
    1.12891,
  ],
];

describe("activations written as products are functions of one variable", () => {
  it.each(WRITTEN)("%s", async (_, written, operators, steepest) => {
    const network = await checkModel(written, { range: [-6, 6] });
    expect(network.nodes.map((node) => node.op)).toEqual(operators);
    const slopes = network.nodes.map(({ operation }) => {
      if (operation.kind !== "elementwise")
        return operation.kind === "affine" ? operation.parts[0].rowNorms()[0] : NaN;
      const [least, most] = operation.unit(0).slopes(-Infinity, Infinity);
      return Math.max(-least, most);
    });
    expect(slopes.reduce((a, b) => a * b)).toBeLessThan(steepest);
  });

  it("operators of other domains are not taken for what they are called", async () => {
    const foreign = model([{ ...unary("Sigmoid", "x", "s"), domain: "acme" }, binary("Mul", "x", "s", "y")]);
    const written = { ...foreign, domains: { acme: 1 } };
    await expect(importOnnx(await openTestModel(written))).rejects.toThrow("no rule runs this operator");
  });

  it("others stay products of two values", async () => {
    const others = [
      model([unary("Sigmoid", "x", "s"), unary("Relu", "x", "r"), binary("Mul", "r", "s", "y")]),
      model([unary("Tanh", "x", "t"), binary("Mul", "x", "t", "y")]),
      model([binary("Mul", "x", "x", "y")]),
      model([{ opType: "Clip", inputs: ["x", "", "six"], outputs: ["c"] }, binary("Mul", "x", "c", "y")], {
        six: 6,
      }),
    ];
    for (const other of others) {
      const { nodes } = await importOnnx(await openTestModel(other));
      expect(nodes.at(-1)!.op).toBe("Mul");
      expect(nodes.at(-1)!.operation.kind).toBe("general");
    }
  });
});

const FUNCTIONS: readonly (readonly [string, ScalarFunction])[] = [
  ["x·clip(x + 3, 0, 6)", clippedProduct(1, 3, 0, 6)],
  ["x·clip(x/6 + ½, 0, 1)", clippedProduct(Math.fround(1 / 6), 0.5, 0, 1)],
  ["x·clip(0.3x − 2, −1, 4)", clippedProduct(0.3, -2, -1, 4)],
  ["x·(1 + erf(x/√2))", erfProduct([Math.SQRT1_2 * (1 - 2 ** -50), Math.SQRT1_2 * (1 + 2 ** -50)], 1)],
  ["−2x·(1 + erf(3x))", erfProduct([3, 3], -2)],
];

describe.each(FUNCTIONS)("%s", (_, f) => {
  const number = fc.oneof(
    fc.double({ min: -30, max: 30, noNaN: true }),
    fc.double({ min: -1e8, max: 1e8, noNaN: true }),
    fc.constantFrom(-6, -3, 0, 3, 6, -Infinity, Infinity),
  );
  const interval = fc.tuple(number, number).map(([a, b]): [number, number] => (a <= b ? [a, b] : [b, a]));
  const inside = ([lo, hi]: readonly [number, number], t: number) => {
    const [a, b] = [Math.max(lo, -1e9), Math.min(hi, 1e9)];
    return Math.min(b, Math.max(a, a + t * (b - a)));
  };
  const share = fc.double({ min: 0, max: 1, noNaN: true });

  it("lies in its image, and rises by its slopes", () => {
    fc.assert(
      fc.property(interval, share, share, (range, s, t) => {
        if (range[0] === range[1] && !Number.isFinite(range[0])) return;
        const [x, y] = [inside(range, s), inside(range, t)];
        const [lo, hi] = f.image(range[0], range[1]);
        const value = f.value(x);
        const slack = 1e-12 * (1e-300 + Math.abs(value));
        expect(value).toBeGreaterThanOrEqual(lo - slack);
        expect(value).toBeLessThanOrEqual(hi + slack);
        const [least, most] = f.slopes(range[0], range[1]);
        const rise = f.value(Math.max(x, y)) - f.value(Math.min(x, y));
        const run = Math.abs(x - y);
        const error = 1e-12 * (1 + Math.abs(f.value(x)) + Math.abs(f.value(y)));
        expect(rise).toBeGreaterThanOrEqual(least * run - error);
        expect(rise).toBeLessThanOrEqual(most * run + error);
      }),
      { numRuns: 3000 },
    );
  });

  it("is enclosed narrowly at a point, and its slope is a slope", () => {
    fc.assert(
      fc.property(fc.double({ min: -8, max: 8, noNaN: true }), (x) => {
        const [lo, hi] = f.image(x, x);
        expect(hi - lo).toBeLessThanOrEqual(1e-12 * (1 + Math.abs(x)));
        const [least, most] = f.slopes(x - 1e-9, x + 1e-9);
        expect(f.slope(x)).toBeGreaterThanOrEqual(least - 1e-12);
        expect(f.slope(x)).toBeLessThanOrEqual(most + 1e-12);
      }),
      { numRuns: 1000 },
    );
  });
});
