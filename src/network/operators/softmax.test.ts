import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkModel } from "../testing/check-operation.ts";
import { int, type TestModel } from "../testing/run-onnx.ts";
import type { GeneralOperation } from "./operation.ts";
import { hardmaxOfGroups, logSoftmaxOfGroups, softmaxOfGroups } from "./softmax-groups.ts";

function model(opType: string, opset: number, shape: readonly number[], axis?: number): TestModel {
  return {
    opset,
    nodes: [
      {
        opType,
        inputs: ["x"],
        outputs: ["y"],
        attributes: axis === undefined ? {} : { axis: int(axis) },
      },
    ],
    inputs: [{ name: "x", shape }],
    outputs: [{ name: "y" }],
  };
}

for (const opType of ["Softmax", "LogSoftmax", "Hardmax"]) {
  describe(opType, () => {
    for (const opset of [7, 11, 12, 13, 21]) {
      for (const [shape, axis] of [
        [[5]],
        [[3, 4]],
        [[2, 3, 4]],
        [[2, 3, 4], 0],
        [[2, 3, 4], 1],
        [[2, 3, 4], 2],
        [[2, 1, 3, 2], 1],
      ] as const) {
        // Before operator set 13 the default axis is 1, which a vector has not.
        const given = shape.length === 1 && opset < 13 ? 0 : axis;
        it(`operator set ${opset}, shape [${shape}], axis ${axis ?? "default"}`, async () => {
          await checkModel(model(opType, opset, shape, given), { points: 3 });
        });
      }
      if (opset >= 11) {
        it(`operator set ${opset}, negative axis`, async () => {
          await checkModel(model(opType, opset, [2, 3, 4], -2), { points: 3 });
        });
      }
    }
  });
}

/** Two points of a box with possibly infinite ends, and the box. */
const boxes = fc
  .array(
    fc.tuple(
      fc.double({ min: -1e3, max: 1e3, noNaN: true }),
      fc.constantFrom(0, 1e-9, 1, 50, Infinity),
      fc.constantFrom(0, 1e-9, 1, 50, Infinity),
      fc.double({ min: 0, max: 1, noNaN: true }),
    ),
    { minLength: 1, maxLength: 6 },
  )
  .map((entries) => {
    const at = (f: (x: number, down: number, up: number, share: number) => number) =>
      Float64Array.from(entries, (e) => f(...e));
    const far = (reach: number) => (reach === Infinity ? 300 : reach);
    return {
      box: { lo: at((x, down) => x - down), hi: at((x, _, up) => x + up) },
      a: at((x, down, _, share) => Math.max(x - down, x - far(down) * share)),
      b: at((x, _, up, share) => Math.min(x + up, x + far(up) * share)),
    };
  });

const KINDS: readonly (readonly [string, (n: number) => GeneralOperation])[] = [
  ["softmax", (n) => softmaxOfGroups(n, n)],
  ["its logarithm", (n) => logSoftmaxOfGroups(n, n)],
  ["hardmax", (n) => hardmaxOfGroups(n, n)],
];

describe("boxes of groups", () => {
  for (const [name, make] of KINDS) {
    it(`hold the values of ${name}, and its local constant the differences`, () => {
      fc.assert(
        fc.property(boxes, ({ box, a, b }) => {
          const operation = make(a.length);
          const { lo, hi } = operation.image!([box]);
          const [ya, yb] = [operation.forward([a]), operation.forward([b])];
          for (const y of [ya, yb]) {
            y.forEach((v, i) => {
              const slack = 1e-14 * Math.max(1, Math.abs(v));
              expect(v).toBeGreaterThanOrEqual(lo[i] - slack);
              expect(v).toBeLessThanOrEqual(hi[i] + slack);
            });
          }
          const local = operation.local?.([box]);
          if (local === undefined || local === null) return;
          const rise = Math.hypot(...ya.map((v, i) => v - yb[i]));
          const run = Math.hypot(...a.map((v, i) => v - b[i]));
          expect(rise).toBeLessThanOrEqual(local.constants[0] * run + 1e-12 * Math.max(1, run));
        }),
        { numRuns: 2000 },
      );
    });
  }

  it("are tight at a point, however far apart its entries", () => {
    for (const x of [
      [0, 1, -2],
      [800, -700, 0],
      [3, 3, 3],
      [-1e3, 1e3],
    ]) {
      const point = Float64Array.from(x);
      for (const [, make] of KINDS.slice(0, 2)) {
        const operation = make(x.length);
        const { lo, hi } = operation.image!([{ lo: point, hi: point }]);
        operation.forward([point]).forEach((v, i) => {
          expect(hi[i] - lo[i]).toBeLessThanOrEqual(1e-12 * Math.max(Math.abs(v), 1e-290) + 1e-290);
          expect(v).toBeGreaterThanOrEqual(lo[i] - 1e-13 * Math.abs(v));
        });
      }
    }
  });

  it("make softmax flatter where one entry is sure to win", () => {
    const box = { lo: Float64Array.of(9, -1, -1), hi: Float64Array.of(11, 1, 1) };
    const [steep] = softmaxOfGroups(3, 3).local!([box])!.constants;
    expect(steep).toBeLessThan(2e-3);
    expect(softmaxOfGroups(3, 3).local!([{ lo: box.hi.map(() => -1), hi: box.hi.map(() => 1) }])).toEqual({
      constants: [0.5],
      join: "sum",
    });
    const [log] = logSoftmaxOfGroups(4, 4).local!([
      { lo: new Float64Array(4), hi: new Float64Array(4) },
    ])!.constants;
    // At equal entries ‖I − 1sᵀ‖ = √4·‖s‖₂ = 1.
    expect(log).toBeCloseTo(1, 10);
  });
});
