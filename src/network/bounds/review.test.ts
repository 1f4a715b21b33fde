import { describe, expect, it } from "vitest";
import { audit } from "../../audit/run.ts";
import type { NodeDescription } from "../../formats/onnx/encode.ts";
import { bound } from "../bound.ts";
import { makeCertifier } from "../certifier.ts";
import { enclose, pointBox } from "../enclose.ts";
import { importOnnx } from "../import-onnx.ts";
import { convolutionPart } from "../operators/convolution-part.ts";
import type { AffineOperation } from "../operators/operation.ts";
import { densePart } from "../operators/parts.ts";
import { planFromOnnx } from "../plan-from-onnx.ts";
import { propagate } from "../propagate.ts";
import {
  float32,
  type Initializers,
  int,
  int64,
  ints,
  openTestModel,
  string,
  type TestModel,
} from "../testing/run-onnx.ts";
import { sampleSteepness } from "./lower.ts";

/* Networks on which a bound or a certificate was once false, or none was given for no reason. */

/** Adding 1 to it, or taking it away from that, loses the 1. */
const BIG = 2 ** 54;

type Initializer = Initializers[number];

function float64(
  name: string,
  data: readonly number[],
  shape: readonly number[] = [data.length],
): Initializer {
  return { name, dtype: "float64", shape, data: Float64Array.from(data) };
}

/** A network of x, a vector of `size` numbers. */
function modelOf(
  size: number,
  nodes: readonly NodeDescription[],
  initializers: readonly Initializer[] = [],
  outputs: readonly string[] = ["y"],
): TestModel {
  const wide = initializers.some((tensor) => tensor.dtype === "float64");
  return {
    opset: 12,
    inputs: [{ name: "x", shape: [1, size], ...(wide ? { dtype: "float64" } : {}) }],
    nodes,
    initializers,
    outputs: outputs.map((name) => ({ name })),
  };
}

/** Layers of the same number times two values, ReLUs between them where asked. */
function chain(factors: readonly number[], bent: boolean): TestModel {
  const nodes = factors.flatMap((_, k): NodeDescription[] => {
    const last = k === factors.length - 1;
    const from = k === 0 ? "x" : `a${k - 1}`;
    const to = last ? "y" : `a${k}`;
    if (!bent || last) return [{ opType: "MatMul", inputs: [from, `w${k}`], outputs: [to] }];
    return [
      { opType: "MatMul", inputs: [from, `w${k}`], outputs: [`z${k}`] },
      { opType: "Relu", inputs: [`z${k}`], outputs: [to] },
    ];
  });
  return modelOf(
    2,
    nodes,
    factors.map((w, k) => float64(`w${k}`, [w, 0, 0, w], [2, 2])),
  );
}

async function importModel(model: TestModel) {
  return importOnnx(await openTestModel(model));
}

/** The interval of a model, proved. */
async function intervalOf(model: TestModel) {
  return bound(await importModel(model), { guarantee: "proof", seed: 1n });
}

async function certifierOf(model: TestModel, kind: "global" | "local") {
  const options = { bound: kind, guarantee: "proof", epsilons: [0.5, 20], seed: 1n } as const;
  return makeCertifier(await importModel(model), options);
}

/** The bound by the rules of its nodes, of a model without weight layers. */
async function byRules(model: TestModel): Promise<number | null> {
  const { graph } = await planFromOnnx(await openTestModel(model));
  return propagate(graph!, () => undefined).upper;
}

describe("stretches of one value that are less steep than the whole of it", () => {
  // (x, x) by two layers, so that each half is bounded on its own; together they are √2-Lipschitz.
  const halves: readonly NodeDescription[] = [
    { opType: "MatMul", inputs: ["x", "w"], outputs: ["p"] },
    { opType: "MatMul", inputs: ["p", "v"], outputs: ["q"] },
    {
      opType: "Split",
      inputs: ["q"],
      outputs: ["a", "b"],
      attributes: { axis: int(1), split: ints([1, 1]) },
    },
  ];
  const weights = [float32("w", [1, 1], [1, 2]), float32("v", [1, 0, 0, 1], [2, 2])];

  it("count together as outputs", async () => {
    const { lower, upper, around } = await intervalOf(modelOf(1, halves, weights, ["a", "b"]));
    expect(upper).toBeGreaterThanOrEqual(Math.SQRT2);
    expect(upper).toBeLessThan(Math.SQRT2 * 1.000001);
    expect(upper).toBeGreaterThanOrEqual(lower);
    expect(around([Float64Array.of(3)], 0.1).upper).toBeGreaterThanOrEqual(Math.SQRT2);
  });

  it("count together where a node takes both", async () => {
    const sorted: readonly NodeDescription[] = [
      ...halves,
      { opType: "Max", inputs: ["a", "b"], outputs: ["high"] },
      { opType: "Min", inputs: ["a", "b"], outputs: ["low"] },
      { opType: "Concat", inputs: ["high", "low"], outputs: ["y"], attributes: { axis: int(1) } },
    ];
    const { upper, around } = await intervalOf(modelOf(1, sorted, weights));
    expect(upper).toBeGreaterThanOrEqual(Math.SQRT2);
    expect(around([Float64Array.of(3)], 0.1).upper).toBeGreaterThanOrEqual(Math.SQRT2);
  });
});

describe("explicit matrices of regions", () => {
  it.each([
    [[1, BIG, -BIG], 1],
    [[BIG, 0, 0, 0, 1, 0, 0, 0, -BIG], 1],
  ])("are not exact where copies are added up: %j", async (row, slope) => {
    const nodes: readonly NodeDescription[] = [
      { opType: "Expand", inputs: ["x", "copies"], outputs: ["p"] },
      { opType: "MatMul", inputs: ["p", "w"], outputs: ["y"] },
    ];
    const constants = [int64("copies", [1, row.length]), float32("w", row, [row.length, 1])];
    const { upper } = await intervalOf(modelOf(1, nodes, constants));
    expect(upper).toBeGreaterThanOrEqual(slope);
  });

  it("count the roundings of the adjoint, which adds copies up all at once", async () => {
    const side = 50;
    const tiny = 0.99 * 2 ** -53;
    const sums = [2, 1, 0].map(
      (axis, k): NodeDescription => ({
        opType: "ReduceSum",
        inputs: [k === 0 ? "p" : `s${k - 1}`],
        outputs: [k === 2 ? "y" : `s${k}`],
        attributes: { axes: ints([axis]), keepdims: int(axis === 0 ? 1 : 0) },
      }),
    );
    const factors = Float32Array.from({ length: 2 * side * side }, (_, i) => (i < 2 ? 1 : tiny));
    const { upper } = await intervalOf(
      modelOf(
        2,
        [
          { opType: "Expand", inputs: ["x", "copies"], outputs: ["o"] },
          { opType: "Mul", inputs: ["o", "factors"], outputs: ["p"] },
          ...sums,
        ],
        [int64("copies", [side, side, 2]), float32("factors", factors, [side, side, 2])],
      ),
    );
    expect(upper).toBeGreaterThanOrEqual(Math.SQRT2 * (1 + (side * side - 1) * tiny));
  });

  it("hold what underflows on the way, and are not used where they overflow", async () => {
    const { upper } = await intervalOf(chain([1e-200, 1e-200, 1e200, 1e200], false));
    expect(upper).toBeGreaterThanOrEqual(1);
    expect((await intervalOf(chain([1e200, 1e200, 1e-200, 1e-200], false))).upper).toBeNull();
  });
});

describe("linear relaxations", () => {
  it("know nothing of what underflows", async () => {
    const model = chain([1e-170, 1e-30, 1e100, 1e100], true);
    const { radius } = (await certifierOf(model, "local")).certify(Float64Array.of(1, 2), 1);
    expect(radius).toBeGreaterThan(0.7);
    expect(radius).toBeLessThanOrEqual(Math.SQRT1_2);
  });

  it("know nothing of what overflows", async () => {
    // relu(relu(1e200·x − 1e250) + relu(x + 5)), where the first unit is off.
    const model = modelOf(
      1,
      [
        { opType: "Gemm", inputs: ["x", "w", "b"], outputs: ["p"] },
        { opType: "Relu", inputs: ["p"], outputs: ["q"] },
        { opType: "MatMul", inputs: ["q", "v"], outputs: ["r"] },
        { opType: "Relu", inputs: ["r"], outputs: ["s"] },
        { opType: "MatMul", inputs: ["s", "one"], outputs: ["y"] },
      ],
      [
        float64("w", [1e200, 1], [1, 2]),
        float64("b", [-1e250, 5]),
        float64("v", [1, 1], [2, 1]),
        float64("one", [1], [1, 1]),
      ],
    );
    const { around } = await intervalOf(model);
    expect(around([Float64Array.of(0)], 1).upper).toBeGreaterThanOrEqual(1);
  });
});

it("a product that overflows is enclosed by infinity, not by NaN", () => {
  const operation: AffineOperation = { kind: "affine", parts: [densePart(Float64Array.of(1e160), 1, 1)] };
  const input = { node: -1, offset: 0, size: 1 };
  const network = {
    inputs: [{ name: "x", shape: [1], size: 1 }],
    outputs: [],
    nodes: [{ name: "n", op: "MatMul", inputs: [input], size: 1, operation }],
  };
  for (const x of [1e150, -1e150]) {
    const [{ lo, hi }] = enclose(network, [pointBox(Float64Array.of(x))]);
    expect([lo[0], hi[0]]).toEqual([-Infinity, Infinity]);
  }
});

it("norms of rows hold where squares underflow and where entries were computed", () => {
  const tiny = Float64Array.from({ length: 1000 }, () => 1e-163);
  const root = 1e-163 * Math.sqrt(1000);
  expect(densePart(tiny, 1, 1000).rowNorms()[0]).toBeGreaterThanOrEqual(root);
  const geometry = {
    inputSize: [1],
    strides: [1],
    dilations: [1],
    padding: [[0, 0] as const],
    groups: 1,
    boundary: "zero" as const,
  };
  const kernel = { entries: tiny, shape: [1, 1000, 1], geometry };
  const turned = { ...kernel, shape: [1000, 1, 1] };
  expect(convolutionPart(kernel, 1, false).rowNorms()[0]).toBeGreaterThanOrEqual(root);
  expect(convolutionPart(turned, 1, true).rowNorms()[0]).toBeGreaterThanOrEqual(root);
  const ones = { ...kernel, entries: new Float64Array(1000).fill(1) };
  const [stored] = convolutionPart(ones, 1, false).rowNorms();
  const [computed] = convolutionPart(ones, 1, false, 1000).rowNorms();
  expect(computed).toBeGreaterThan(stored * (1 + 1000 * 2 ** -53));
});

it("the lower end of a tiny network is none of what squares round to", async () => {
  // At x = 0 the first secant rises by 1.6e-162 in every output: its square, 2.56e-324, rounds to 5e-324.
  const row = Array.from({ length: 1000 }, () => 1.6e-159);
  const node = { opType: "MatMul", inputs: ["x", "w"], outputs: ["y"] };
  const network = await importModel(modelOf(1, [node], [float64("w", row, [1, 1000])]));
  const { lower } = sampleSteepness(network, { seed: 1n, points: [[Float64Array.of(0)]], climb: false });
  expect(lower).toBeGreaterThan(0);
  expect(lower).toBeLessThanOrEqual(1.6e-159 * Math.sqrt(1000));
});

it("an audited norm of a layer with a fused activation is not used for the layer alone", async () => {
  const model: TestModel = {
    ...modelOf(
      2,
      [
        {
          opType: "FusedGemm",
          domain: "com.microsoft",
          inputs: ["x", "w"],
          outputs: ["y"],
          attributes: { activation: string("Sigmoid") },
        },
      ],
      [float32("w", [4, 0, 0, 4], [2, 2])],
    ),
    domains: { "com.microsoft": 1 },
  };
  const { network } = await audit(await openTestModel(model), { guarantee: "proof", seed: 1n });
  const { lower, upper } = network!.lipschitz;
  expect(lower).toBeGreaterThan(0.99);
  expect(upper).toBeGreaterThanOrEqual(1);
});

describe("bounds by rules", () => {
  it("know a node without a bound from the input of the same name", async () => {
    const node = { opType: "Exp", name: "x", inputs: ["x"], outputs: ["y"] };
    expect(await byRules(modelOf(1, [node]))).toBeNull();
  });

  it("know values of branches from those whose names read like their paths", async () => {
    const branch = (name: string, factor: number) => ({
      kind: "graph" as const,
      value: {
        name,
        nodes: [{ opType: "Mul", name: "m", inputs: ["x", name], outputs: ["t"] }],
        initializers: [float32(name, [factor], [])],
        inputs: [],
        outputs: [{ name: "t" }],
      },
    });
    const steep = "if/then_branch/t";
    const model = modelOf(
      1,
      [
        { opType: "Mul", inputs: ["x", "hundred"], outputs: [steep] },
        {
          opType: "If",
          name: "if",
          inputs: ["c"],
          outputs: ["u"],
          attributes: { then_branch: branch("one", 1), else_branch: branch("two", 2) },
        },
        { opType: "Add", inputs: ["u", steep], outputs: ["y"] },
      ],
      [float32("hundred", [100], [])],
    );
    const inputs = [...model.inputs, { name: "c", shape: [], dtype: "bool" }];
    expect(await byRules({ ...model, inputs })).toBeGreaterThanOrEqual(102);
  });

  it.each([
    ["Max", ["x", "z"]],
    ["Shape", ["x", "z"]],
    ["If", ["yes", "x", "z"]],
  ])("take nothing for granted of somebody else's %s", async (opType, taken) => {
    const nodes: readonly NodeDescription[] = [
      { opType, domain: "acme", inputs: taken, outputs: ["a"] },
      { opType: "Min", inputs: ["x", "z"], outputs: ["b"] },
    ];
    const model = modelOf(1, nodes, [float32("yes", [1], [])], ["a", "b"]);
    const inputs = [...model.inputs, { name: "z", shape: [1, 1] }];
    expect(await byRules({ ...model, inputs, domains: { acme: 1 } })).toBeNull();
  });

  it("see that how many entries a value has may depend on the input", async () => {
    const counted = (opType: string) =>
      modelOf(2, [
        { opType, inputs: ["x"], outputs: ["n"] },
        { opType: "Shape", inputs: ["n"], outputs: ["s"] },
        { opType: "Cast", inputs: ["s"], outputs: ["c"], attributes: { to: int(1) } },
        { opType: "Add", inputs: ["x", "c"], outputs: ["y"] },
      ]);
    expect(await byRules(counted("NonZero"))).toBeNull();
    expect(await byRules(counted("Relu"))).toBe(1);
  });
});

describe("certifiers", () => {
  it("leave a softmax out only where it is one over all scores", async () => {
    // Over an axis of length 1 it gives 1 for every class: always a tie.
    const node = { opType: "Softmax", inputs: ["x"], outputs: ["y"], attributes: { axis: int(0) } };
    const certifier = await certifierOf({ ...modelOf(2, [node]), opset: 13 }, "global");
    expect(certifier.certify(Float64Array.of(0, 1), 1)).toEqual({ predicted: 0, radius: 0 });
  });

  it.each(["global", "local"] as const)(
    "find scores that never change certain everywhere: %s",
    async (kind) => {
      const node = { opType: "Gemm", inputs: ["x", "w", "b"], outputs: ["y"] };
      const constants = [float32("w", [0, 0, 0, 0], [2, 2]), float32("b", [1, 0])];
      const { radius } = (await certifierOf(modelOf(2, [node], constants), kind)).certify(
        Float64Array.of(3, 4),
        0,
      );
      expect(radius).toBeGreaterThan(1e300);
    },
  );

  it("take the input itself for the scores", async () => {
    const node = { opType: "Softmax", inputs: ["x"], outputs: ["y"], attributes: { axis: int(1) } };
    const { radius } = (await certifierOf(modelOf(2, [node]), "local")).certify(Float64Array.of(1, 2), 1);
    expect(radius).toBeGreaterThan(0.7);
    expect(radius).toBeLessThanOrEqual(Math.SQRT1_2);
  });
});

describe("inputs that are none", () => {
  it("are refused by balls and certificates", async () => {
    const model = chain([1, 1], true);
    const { around } = await intervalOf(model);
    expect(() => around([Float64Array.of(1)], 1)).toThrow(
      "the network takes vectors of [2] numbers, got [1]",
    );
    for (const radius of [-1, Number.NaN]) {
      expect(() => around([Float64Array.of(1, 2)], radius)).toThrow("must not be negative");
    }
    for (const radius of [0, Infinity])
      expect(around([Float64Array.of(1, 2)], radius).upper).toBeGreaterThan(0.99);
    const certifier = await certifierOf(model, "global");
    expect(() => certifier.certify(Float64Array.of(1, 2, 3), 0)).toThrow("got [3]");
  });

  it("are refused where their numbers are given", async () => {
    const opened = await openTestModel(chain([1], false));
    await expect(importOnnx(opened, { values: { x: [1, 2, 3] } })).rejects.toThrow(
      "x: this input takes 2 numbers, got 3",
    );
  });
});
