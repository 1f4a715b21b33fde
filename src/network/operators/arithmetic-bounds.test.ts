import { describe, expect, it } from "vitest";
import { enclose } from "../enclose.ts";
import { forward, outputsOf } from "../evaluate.ts";
import { importOnnx } from "../import-onnx.ts";
import type { Network } from "../network.ts";
import { planFromOnnx } from "../plan-from-onnx.ts";
import { checkModel } from "../testing/check-operation.ts";
import { constantsOf } from "../testing/constants-of.ts";
import { type OneNode, oneNode } from "../testing/one-node.ts";
import { float32, int, openTestModel, randomNumbers, type TestModel } from "../testing/run-onnx.ts";

interface Options extends Omit<OneNode, "inputs"> {
  /** The node's inputs in order: x0, x1, … are signals, the rest constants. */
  readonly operands?: string;
}

function model(opType: string, { operands = "x0 x1", ...one }: Options): TestModel {
  const inputs = operands.split(" ");
  const signals = new Set(inputs.filter((name) => /^x\d$/.test(name)));
  return oneNode(opType, { opset: 20, shapes: Array.from(signals, () => [2, 3]), inputs, ...one });
}

const condition = (data: readonly number[], shape: readonly number[] = [data.length]) => ({
  name: "c",
  dtype: "bool",
  shape,
  data: Uint8Array.from(data),
});

async function networkOf(description: TestModel): Promise<Network> {
  return importOnnx(await openTestModel(description));
}

/** The one operation of a model, of the kind that a test is about. */
async function generalOf(op: string, options: Options) {
  const [{ operation }] = (await networkOf(model(op, options))).nodes;
  if (operation.kind !== "general") throw new TypeError(operation.kind);
  return operation;
}

function box(lo: readonly number[], hi: readonly number[]) {
  return { lo: Float64Array.from(lo), hi: Float64Array.from(hi) };
}

const single = [[1], [1]];

describe("on a box", () => {
  it.each([
    ["Mul", [1, 3], [2, 4], [4, 2]],
    ["Mul", [-3, -1], [-1, 0.5], [1, 3]],
    ["Div", [1, 2], [3, 4], [0.5, 0.75]],
    ["Div", [-1, -4], [1, -2], [0.5, 0.25]],
    ["Max", [0, 1], [2, 3], [1, 1]],
    ["Max", [0, 3], [2, 4], [0, 1]],
    ["Min", [0, 3], [2, 4], [1, 0]],
  ] as const)("%s from %j to %j: constants %j", async (op, lo, hi, constants) => {
    const operation = await generalOf(op, { shapes: single });
    const local = operation.local?.([box([lo[0]], [hi[0]]), box([lo[1]], [hi[1]])]);
    expect(local?.join).toBe(op === "Max" || op === "Min" ? "euclidean" : "sum");
    local?.constants.forEach((c, k) => {
      expect(c).toBeGreaterThanOrEqual(constants[k]);
      expect(c).toBeLessThanOrEqual(constants[k] * (1 + 1e-14));
    });
  });

  it("adds up the copies of an entry, each as steep as its partner allows", async () => {
    const operation = await generalOf("Mul", { shapes: [[1], [2]] });
    const local = operation.local?.([box([0], [1]), box([3, -4], [3, -4])]);
    expect(local?.constants[0]).toBeCloseTo(5, 12);
    expect(local?.constants[1]).toBe(1);
  });

  it("finds nothing finite near a pole or over everything", async () => {
    const quotient = await generalOf("Div", { shapes: single });
    expect(quotient.local?.([box([1], [1]), box([-1], [1])])).toBeNull();
    expect(quotient.image?.([box([1], [1]), box([-1], [1])])).toEqual(box([-Infinity], [Infinity]));
    const product = await generalOf("Mul", { shapes: single });
    expect(product.local?.([box([0], [1]), box([0], [Infinity])])).toBeNull();
    expect(product.image?.([box([0], [0]), box([-Infinity], [Infinity])])).toEqual(box([0], [0]));
    const power = await generalOf("Pow", { shapes: single });
    expect(power.local?.([box([-1], [1]), box([0.5], [1])])).toBeNull();
  });

  it("bounds powers of an interval exactly: even ones from 0, odd ones from their ends", async () => {
    const [{ operation }] = (
      await networkOf(model("Pow", { operands: "x0 p", shapes: [[2]], constants: [float32("p", [2, 3])] }))
    ).nodes;
    if (operation.kind !== "elementwise") throw new TypeError(operation.kind);
    const [square, cube] = [operation.unit(0), operation.unit(1)];
    expect(square.image(-2, 1)[0]).toBe(0);
    expect(square.image(-2, 1)[1]).toBeCloseTo(4, 12);
    expect(square.slopes(-2, 1)).toEqual([expect.closeTo(-4, 12), expect.closeTo(2, 12)]);
    expect(cube.slopes(-2, 1)).toEqual([0, expect.closeTo(12, 11)]);
    expect(cube.slopes(-Infinity, Infinity)).toEqual([0, Infinity]);
    expect(square.slopes(-Infinity, Infinity)).toEqual([-Infinity, Infinity]);
  });
});

/** Enclosures of a product-like operation: many boxes, wide and narrow, of either sign. */
describe("boxes of operations on two signals", () => {
  it.each([
    ["Mul", -3, 3],
    ["Div", 0.2, 3],
    ["Div", -3, -0.2],
    ["Pow", 0.05, 3],
    ["Mod", 0.3, 4],
  ] as const)("%s on [%d, %d]", async (op, from, to) => {
    const n = 200;
    const attributes = op === "Mod" ? { fmod: int(1) } : {};
    const operation = await generalOf(op, { shapes: [[n], [n]], attributes });
    const random = randomNumbers(7);
    const draw = () => from + ((to - from) * (random() + 1)) / 2;
    const boxes = [0, 1].map(() => {
      const [a, b] = [0, 1].map(() => Float64Array.from({ length: n }, draw));
      return { lo: a.map((x, i) => Math.min(x, b[i])), hi: a.map((x, i) => Math.max(x, b[i])) };
    });
    const image = operation.image?.(boxes);
    if (image === undefined) throw new TypeError("no image");
    for (let k = 0; k < 60; k++) {
      const point = boxes.map(({ lo, hi }) =>
        lo.map((a, i) =>
          k % 3 === 0 ? (random() < 0 ? a : hi[i]) : Math.min(hi[i], a + ((hi[i] - a) * (random() + 1)) / 2),
        ),
      );
      operation.forward(point).forEach((y, i) => {
        if (!(y >= image.lo[i] && y <= image.hi[i]))
          expect.fail(`${y} outside [${image.lo[i]}, ${image.hi[i]}]`);
      });
    }
  });
});

describe("constants that are not finite", () => {
  it("masks by −∞ stay exact, in runs and in boxes", async () => {
    const mask = float32("m", [0, -Infinity, -3]);
    const added = await networkOf(model("Add", { shapes: [[3]], operands: "x0 m", constants: [mask] }));
    const chosen = await networkOf(
      model("Where", {
        shapes: [[3]],
        operands: "c x0 m",
        constants: [condition([1, 0, 1]), { ...float32("m", [-Infinity], []) }],
      }),
    );
    const x = Float64Array.of(1, 2, 3);
    expect([...outputsOf(added, forward(added, [x]))[0]]).toEqual([1, -Infinity, 0]);
    expect([...outputsOf(chosen, forward(chosen, [x]))[0]]).toEqual([1, -Infinity, 3]);
    for (const network of [added, chosen]) {
      const [{ lo, hi }] = enclose(network, [box([0, 1, 2], [1, 2, 3])]);
      expect([lo[1], hi[1]]).toEqual([-Infinity, -Infinity]);
      expect(lo[0]).toBeGreaterThan(-1e-9);
      expect(hi[2]).toBeLessThan(3 + 1e-9);
    }
  });

  it("says nothing of products and quotients that are not finite, but runs them", async () => {
    for (const [op, c] of [
      ["Mul", Infinity],
      ["Div", 0],
    ] as const) {
      const network = await networkOf(
        model(op, { shapes: [[2]], operands: "x0 c", constants: [float32("c", [c, 2])] }),
      );
      expect(outputsOf(network, forward(network, [Float64Array.of(-1, 3)]))[0][0]).toBe(-Infinity);
      const [{ operation }] = network.nodes;
      if (operation.kind !== "elementwise") throw new TypeError(operation.kind);
      const [least, most] = operation.unit(0).slopes(-1, 1);
      expect(Math.max(Math.abs(least), Math.abs(most))).toBe(Infinity);
      expect(operation.unit(0).image(-1, 1)).toEqual([-Infinity, Infinity]);
    }
  });

  it("says nothing where a sum overflows, instead of NaN", async () => {
    const network = await networkOf(
      model("Mul", { shapes: [[1]], operands: "x0 c", constants: [float32("c", [1e38])] }),
    );
    expect(enclose(network, [box([1e300], [1e305])])).toEqual([box([-Infinity], [Infinity])]);
  });
});

describe("why it cannot be run", () => {
  it.each([
    ["Mul", { operands: "x0 c", constants: [float32("c", [Number.NaN], [])] }, "holds a NaN"],
    ["Div", { operands: "x0 c", constants: [float32("c", [Number.NaN], [])] }, "holds a NaN"],
    ["Add", { operands: "x0 c", constants: [float32("c", [Number.NaN], [])] }, "holds a NaN"],
    ["Add", { opset: 6, shapes: [[2, 3], [3]] }, "before operator set 7"],
    ["Mod", { opset: 13 }, "needs fmod 1"],
  ] as readonly (readonly [string, Options, string])[])("%s %j: %s", async (op, options, why) => {
    await expect(networkOf(model(op, options))).rejects.toThrow(why);
  });

  it("a condition that depends on the input", async () => {
    const test: TestModel = {
      opset: 16,
      inputs: [{ name: "x", shape: [3] }],
      initializers: [float32("zero", [0], [])],
      nodes: [
        { opType: "Greater", name: "compare", inputs: ["x", "zero"], outputs: ["c"] },
        { opType: "Where", name: "choose", inputs: ["c", "x", "zero"], outputs: ["y"] },
      ],
      outputs: [{ name: "y" }],
    };
    await expect(networkOf(test)).rejects.toThrow("its condition depends on the network's input");
    expect(await constantsOf(await openTestModel(test))).toBeNull();
  });
});

async function planOf(description: TestModel) {
  const { graph } = await planFromOnnx(await openTestModel(description));
  if (graph === null) throw new TypeError("no graph");
  return graph.nodes;
}

describe("joins", () => {
  const broadcast: Options = {
    shapes: [
      [2, 1, 3],
      [4, 1],
    ],
  };
  it.each([
    ["Add", {}, "sum", [1, 1]],
    ["Sub", {}, "sum", [1, 1]],
    ["Add", broadcast, "sum", [2, Math.sqrt(6)]],
    [
      "Sum",
      { operands: "x0 x1 c", constants: [float32("c", [1, 2, 3, 4, 5], [5, 1, 1])] },
      "sum",
      [Math.sqrt(5), Math.sqrt(5)],
    ],
    ["Sum", { operands: "x0 x1 x0" }, "sum", [1, 1, 1]],
    ["Mean", {}, "sum", [0.5, 0.5]],
    ["Max", {}, "euclidean", [1, 1]],
    ["Min", broadcast, "euclidean", [2, Math.sqrt(6)]],
    ["Where", { operands: "c x0 x1", constants: [condition([1, 0, 1])] }, "euclidean", [1, 1]],
    ["Clip", { operands: "x0 x1", shapes: [[2, 3], []] }, "euclidean", [1, Math.sqrt(6)]],
    ["BiasGelu", { shapes: [[2, 3], [3]] }, "sum", [1.128905, 1.128905 * Math.sqrt(2)]],
  ] as readonly (readonly [string, Options, string, readonly number[]])[])(
    "%s %j: %s of %j",
    async (op, options, how, weights) => {
      const [node] = await planOf(model(op, options));
      expect(node.unbounded).toBeUndefined();
      expect(node.join).toBe(how);
      expect(node.weights).toEqual(weights.map((w) => expect.closeTo(w, 12)));
      node.weights.forEach((w, i) => void expect(w).toBeGreaterThanOrEqual(weights[i] * (1 - 1e-16)));
    },
  );

  it.each([
    ["Mul", "a product of two values"],
    ["Div", "no finite slope near 0"],
    ["Pow", "exponent depends on the input"],
    ["Mod", "it jumps"],
    ["Greater", "it jumps"],
  ])("%s has none: %s", async (op, why) => {
    const [node] = await planOf(model(op, {}));
    expect(node.unbounded).toContain(why);
  });

  it("asks for sizes where copies depend on them", async () => {
    const test = model("Add", {});
    const open = { ...test, inputs: test.inputs.map(({ name }) => ({ name, shape: [2, "n"] })) };
    const [node] = await planOf(open);
    expect(node.unbounded).toContain("give the input sizes");
    const fixed = { ...test, inputs: test.inputs.map(({ name }) => ({ name, shape: [2, 5] })) };
    expect((await planOf(fixed))[0].weights).toEqual([1, 1]);
  });
});

describe("constants", () => {
  it.each([
    ["Mul", { operands: "x0 c", constants: [float32("c", [0.5, -2.5, 1])] }, 2.5],
    ["Mul", { operands: "c x0", constants: [float32("c", [0.5, -2.5, 1])] }, 2.5],
    ["Div", { operands: "x0 c", constants: [float32("c", [0.5, -2.5, 1])] }, 2],
    ["Add", { operands: "x0 c", constants: [float32("c", [1, 2, 3, 4], [4, 1, 1])] }, 2],
    ["Mean", { operands: "x0 c", constants: [float32("c", [1, 2, 3])] }, 0.5],
    ["Max", { operands: "x0 c", constants: [float32("c", [1], [])] }, 1],
    ["Pow", { operands: "x0 c", constants: [float32("c", [1], [])] }, 1],
  ] as readonly (readonly [string, Options, number])[])("%s %j: %d", async (op, options, expected) => {
    const found = await constantsOf(await openTestModel(model(op, options)));
    expect(found?.constants[0]).toBeCloseTo(expected, 12);
    expect(found?.constants[0]).toBeGreaterThanOrEqual(expected);
  });

  it("counts the copies that older operator sets make along an axis", async () => {
    const attributes = { axis: int(1), broadcast: int(1) };
    const old = {
      opset: 6,
      attributes,
      shapes: [[3]],
      constants: [float32("c", new Float32Array(24), [2, 3, 4])],
    };
    const [node] = await planOf(model("Add", { ...old, operands: "c x0" }));
    expect(node.steps[0].factor).toEqual({ constant: expect.closeTo(Math.sqrt(8), 12) });
    const first = { ...old, shapes: [[2, 3, 4]], constants: [float32("c", [1, 2, 3])], operands: "x0 c" };
    expect((await planOf(model("Add", first)))[0].steps[0].factor).toEqual({ constant: 1 });
  });

  it("an operand computed from a number that is not given is named", async () => {
    const test: TestModel = {
      opset: 16,
      inputs: [
        { name: "x", shape: [3] },
        { name: "n", shape: [1], dtype: "int64" },
      ],
      nodes: [
        { opType: "Cast", name: "cast", inputs: ["n"], outputs: ["f"], attributes: { to: int(1) } },
        { opType: "Mul", name: "times", inputs: ["x", "f"], outputs: ["y"] },
      ],
      outputs: [{ name: "y" }],
    };
    const nodes = await planOf(test);
    expect(nodes[nodes.length - 1].unbounded).toContain("depend on an input");
  });
});

describe("a sorted pair", () => {
  const sorted = (x: readonly number[], y: readonly number[]): TestModel => ({
    opset: 20,
    inputs: [
      { name: "x", shape: x },
      { name: "y", shape: y },
    ],
    nodes: [
      { opType: "Max", name: "max", inputs: ["x", "y"], outputs: ["a"] },
      { opType: "Min", name: "min", inputs: ["y", "x"], outputs: ["b"] },
    ],
    outputs: [{ name: "a" }, { name: "b" }],
  });

  it.each([
    [
      [2, 3],
      [2, 3],
    ],
    [
      [2, 1, 3],
      [4, 1],
    ],
    [[], [3]],
  ])("of [%s] and [%s]", async (x, y) => {
    const network = await checkModel(sorted(x, y), { width: 3 });
    expect(network.nodes.map((node) => node.op)).toEqual(["MaxMin"]);
  });

  it("is 1-Lipschitz, both outputs together", async () => {
    const test = sorted([4], [4]);
    expect((await constantsOf(await openTestModel(test)))?.constants).toEqual([1, 1]);
    const [node] = await planOf(test);
    expect([node.join, node.weights]).toEqual(["euclidean", [1, 1]]);
    const [{ operation }] = (await networkOf(test)).nodes;
    if (operation.kind !== "general") throw new TypeError(operation.kind);
    const any = box([-1, -1, -1, -1], [1, 1, 1, 1]);
    expect(operation.local?.([any, any])).toEqual({ constants: [1, 1], join: "euclidean" });
  });

  it("of constants is folded", async () => {
    const test: TestModel = {
      ...sorted([2], [2]),
      inputs: [{ name: "z", shape: [2] }],
      initializers: [float32("x", [1, 5]), float32("y", [3, 2])],
      outputs: [{ name: "o" }],
    };
    const nodes = [...test.nodes, { opType: "Sum", name: "sum", inputs: ["a", "b", "z"], outputs: ["o"] }];
    await checkModel({ ...test, nodes });
  });
});
