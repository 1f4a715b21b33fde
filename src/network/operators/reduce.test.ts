import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { importOnnx } from "../import-onnx.ts";
import { type CheckOptions, checkModel } from "../testing/check-operation.ts";
import { expectConstants, type OneNode, oneNode } from "../testing/one-node.ts";
import { int, int64, ints, openTestModel, type TestModel } from "../testing/run-onnx.ts";
import type { WindowFunction } from "./index-window-function.ts";
import {
  absoluteSum,
  euclideanNorm,
  logSum,
  logSumExp,
  productOfAll,
  sumOfSquares,
} from "./reduce-functions.ts";

async function check(
  op: string,
  node: OneNode,
  constant: number | null,
  options: CheckOptions = {},
): Promise<void> {
  const model = oneNode(op, node);
  await checkModel(model, { points: 3, ...options });
  await expectConstants(model, constant === null ? null : [constant]);
}

/** Operator, the operator set that takes its axes as an input, its constant over n entries, and a range. */
type Reduction = readonly [
  op: string,
  inputs: number,
  constant: (n: number) => number | null,
  range?: readonly [number, number],
];

const positive = [0.1, 2] as const;

const REDUCTIONS: readonly Reduction[] = [
  ["ReduceMean", 18, (n) => 1 / Math.sqrt(n)],
  ["ReduceSum", 13, Math.sqrt],
  ["ReduceMax", 18, () => 1],
  ["ReduceMin", 18, () => 1],
  ["ReduceL1", 18, Math.sqrt],
  ["ReduceL2", 18, () => 1],
  ["ReduceLogSumExp", 18, () => 1],
  ["ReduceLogSum", 18, () => null, positive],
  ["ReduceSumSquare", 18, () => null],
  ["ReduceProd", 18, () => null],
];

for (const [op, inputs, constant, range] of REDUCTIONS) {
  describe(op, () => {
    const options = { ...(range ? { range, width: 0.05 } : { width: 2 }) };
    const shapes = [[2, 3, 4]];
    it("all axes", () => check(op, { shapes, opset: 7 }, constant(24), options));
    it("axes as an attribute", () =>
      check(op, { shapes, attributes: { axes: ints([0, 2]) }, opset: 7 }, constant(8), options));
    it("negative axes, dropped", () =>
      check(
        op,
        { shapes, attributes: { axes: ints([-2]), keepdims: int(0) }, opset: 11 },
        constant(3),
        options,
      ));
    it("axes as an input", () =>
      check(op, { shapes, constants: [int64("a", [2, 1])], opset: inputs }, constant(12), options));
    it("axes as an input, dropped", () =>
      check(
        op,
        { shapes, constants: [int64("a", [0])], attributes: { keepdims: int(0) }, opset: inputs + 2 },
        constant(2),
        options,
      ));
    it("a leading axis kept", () =>
      check(op, { shapes, constants: [int64("a", [-1])], opset: inputs }, constant(4), options));
    it("no axes: everything", () => check(op, { shapes, opset: inputs }, constant(24), options));
    it("no axes: nothing", () =>
      check(
        op,
        { shapes, attributes: { noop_with_empty_axes: int(1) }, opset: inputs },
        constant(1),
        options,
      ));
    it("a vector", () => check(op, { shapes: [[5]], opset: inputs }, constant(5), options));
  });
}

describe("ArgMax and ArgMin", () => {
  for (const op of ["ArgMax", "ArgMin"]) {
    const rows: readonly OneNode[] = [
      { shapes: [[3, 4]], opset: 7 },
      { shapes: [[2, 3, 4]], attributes: { axis: int(1), keepdims: int(0) }, opset: 11 },
      { shapes: [[2, 3, 4]], attributes: { axis: int(-1) }, opset: 13 },
    ];
    rows.forEach((node, i) => {
      it(`${op} ${i}`, () => check(op, { ...node, types: ["int64"] }, null));
    });

    for (const last of [0, 1]) {
      it(`${op} of equal entries, select_last_index ${last}`, async () => {
        // Rounded entries are often equal.
        const model: TestModel = {
          opset: 13,
          nodes: [
            { opType: "Cast", inputs: ["x"], outputs: ["whole"], attributes: { to: int(6) } },
            {
              opType: op,
              inputs: ["whole"],
              outputs: ["i"],
              attributes: { axis: int(1), select_last_index: int(last) },
            },
            { opType: "Cast", inputs: ["i"], outputs: ["y"], attributes: { to: int(1) } },
          ],
          inputs: [{ name: "x", shape: [4, 9] }],
          outputs: [{ name: "y" }],
        };
        await checkModel(model, { range: [-3, 3] });
      });
    }
  }

  it("a classifier's label beside its scores does not stand in the way", async () => {
    const model: TestModel = {
      opset: 13,
      nodes: [
        { opType: "Relu", inputs: ["x"], outputs: ["scores"] },
        { opType: "ArgMax", inputs: ["scores"], outputs: ["label"], attributes: { axis: int(1) } },
      ],
      inputs: [{ name: "x", shape: [1, 4] }],
      outputs: [{ name: "scores" }, { name: "label", dtype: "int64" }],
    };
    const network = await importOnnx(await openTestModel(model));
    expect(network.outputs.map((o) => o.name)).toEqual(["scores"]);
  });
});

describe("CumSum", () => {
  const axis = (a: number) => [int64("a", [a], [])];
  // The largest singular value of the triangle of ones.
  const triangle = (n: number) => 1 / (2 * Math.sin(Math.PI / (4 * n + 2)));
  const on = (...names: string[]) => Object.fromEntries(names.map((name) => [name, int(1)]));
  const shapes = [[2, 5, 3]];
  it("along the middle", () => check("CumSum", { shapes, constants: axis(1) }, triangle(5)));
  it("along the last axis", () => check("CumSum", { shapes, constants: axis(-1), opset: 11 }, triangle(3)));
  it("along the first", () => check("CumSum", { shapes, constants: axis(0) }, triangle(2)));
  it("exclusive", () =>
    check("CumSum", { shapes, constants: axis(1), attributes: on("exclusive") }, triangle(4)));
  it("reverse", () =>
    check("CumSum", { shapes, constants: axis(1), attributes: on("reverse") }, triangle(5)));
  it("both", () =>
    check("CumSum", { shapes, constants: axis(1), attributes: on("exclusive", "reverse") }, triangle(4)));
  it("one entry", () => check("CumSum", { shapes: [[1]], constants: axis(0) }, 1));
});

describe("boxes of functions of several entries", () => {
  const functions: readonly (readonly [string, WindowFunction])[] = Object.entries({
    absoluteSum,
    euclideanNorm,
    logSum,
    logSumExp,
    productOfAll,
    sumOfSquares,
  });
  const number = fc.oneof(
    fc.double({ noNaN: true, min: -1e3, max: 1e3 }),
    fc.double({ noNaN: true }),
    fc.constantFrom(0, Infinity, -Infinity, 1e308, 5e-324, 1),
  );
  const entries = fc.array(fc.tuple(number, number, fc.double({ min: 0, max: 1, noNaN: true })), {
    minLength: 1,
    maxLength: 6,
  });
  type Entries = readonly (readonly [number, number, number])[];
  const boxOf = (list: Entries) => ({
    lo: Float64Array.from(list, ([a, b]) => Math.min(a, b, Number.MAX_VALUE)),
    hi: Float64Array.from(list, ([a, b]) => Math.max(a, b, -Number.MAX_VALUE)),
  });
  const point = (lo: Float64Array, hi: Float64Array, t: (i: number) => number) =>
    lo.map((a, i) => {
      const [low, high] = [Math.max(a, -1e300), Math.min(hi[i], 1e300)];
      return Math.min(Math.max(low * (1 - t(i)) + high * t(i), a), hi[i]);
    });

  for (const [name, f] of functions) {
    it(`${name}: values lie in the image`, () => {
      fc.assert(
        fc.property(entries, (list) => {
          const { lo, hi } = boxOf(list);
          const x = point(lo, hi, (i) => list[i][2]);
          const y = f.value(x, x.length);
          // Overflow and sums that cancel are no values in real arithmetic.
          const size = x.reduce((s, v) => s + Math.abs(v), 0);
          if (!Number.isFinite(y) || !Number.isFinite(size)) return;
          const slack = name === "logSum" ? (1e-14 * size) / Math.exp(y) : 1e-14 * Math.abs(y);
          const [least, most] = f.image(lo, hi, x.length);
          expect(least).toBeLessThanOrEqual(y + slack);
          expect(most).toBeGreaterThanOrEqual(y - slack);
        }),
        { numRuns: 500 },
      );
    });

    it(`${name}: secants keep to its steepness`, () => {
      const moderate = fc.array(
        fc.tuple(
          fc.double({ min: 0.1, max: 5, noNaN: true }),
          fc.double({ min: -2, max: 5, noNaN: true }),
          fc.double({ min: 0, max: 1, noNaN: true }),
        ),
        { minLength: 1, maxLength: 5 },
      );
      fc.assert(
        fc.property(moderate, (list) => {
          const { lo, hi } = boxOf(list);
          const steepness = f.steepness(lo, hi, lo.length);
          if (!Number.isFinite(steepness)) return;
          const [a, b] = [point(lo, hi, (i) => list[i][2]), point(lo, hi, (i) => 1 - list[i][2] ** 2)];
          const move = Math.hypot(...a.map((v, i) => v - b[i]));
          const rise = Math.abs(f.value(a, a.length) - f.value(b, b.length));
          expect(rise).toBeLessThanOrEqual(steepness * move * (1 + 1e-12) + 1e-12);
        }),
        { numRuns: 300 },
      );
    });

    it(`${name}: is tight at a point`, () => {
      const x = Float64Array.of(1.5, 0.3, 2, 0.7);
      const [least, most] = f.image(x, x, 4);
      const y = f.value(x, 4);
      expect(least).toBeLessThanOrEqual(y);
      expect(most).toBeGreaterThanOrEqual(y);
      expect(most - least).toBeLessThanOrEqual(5e-13 * Math.abs(y));
    });
  }

  it("log Σ exp of infinite ends", () => {
    const [lo, hi] = [Float64Array.of(-Infinity, 0), Float64Array.of(Infinity, 0)];
    const [least, most] = logSumExp.image(lo, hi, 2);
    expect(least).toBeCloseTo(0, 12);
    expect(least).toBeLessThanOrEqual(0);
    expect(most).toBe(Infinity);
    expect(logSumExp.image(lo.slice(0, 1), lo.slice(0, 1).fill(-1), 1)[0]).toBe(-Infinity);
  });

  it("has no finite steepness where there is none", () => {
    const [lo, hi] = [Float64Array.of(-1, 0.5), Float64Array.of(1, 1)];
    expect(logSum.steepness(lo, hi, 2)).toBe(Infinity);
    const open = Float64Array.of(Infinity, Infinity);
    expect(sumOfSquares.steepness(lo, open, 2)).toBe(Infinity);
    expect(productOfAll.steepness(lo, open, 2)).toBe(Infinity);
  });
});
