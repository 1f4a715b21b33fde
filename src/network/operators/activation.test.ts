import { describe, expect, it } from "vitest";
import type { NodeDescription } from "../../formats/onnx/encode.ts";
import { type CheckOptions, checkModel } from "../testing/check-operation.ts";
import { constantsOf } from "../testing/constants-of.ts";
import { float, float32, openTestModel, string, type TestModel } from "../testing/run-onnx.ts";

interface Options extends CheckOptions {
  readonly opset?: number;
  readonly shape?: readonly number[];
  readonly attributes?: NonNullable<NodeDescription["attributes"]>;
  readonly constants?: TestModel["initializers"];
  readonly inputs?: readonly string[];
  readonly domain?: string;
}

function model(opType: string, options: Options): TestModel {
  const { opset = 20, shape = [2, 3], attributes = {}, constants = [], domain = "" } = options;
  const inputs = options.inputs ?? ["x", ...constants.map((c) => c.name)];
  return {
    opset,
    inputs: [{ name: "x", shape }],
    initializers: constants,
    nodes: [{ opType, name: "node", inputs, outputs: ["y"], attributes, domain }],
    outputs: [{ name: "y" }],
    ...(domain ? { domains: { [domain]: 1 } } : {}),
  };
}

const microsoft = { domain: "com.microsoft" } as const;
const wide: Options = { range: [-12, 12], points: 8, width: 8 };

type Row = readonly [op: string, options?: Options];

const ROWS: readonly Row[] = [
  ["Relu", wide],
  ["Relu", { opset: 7, shape: [] }],
  ["Relu", { opset: 13, shape: [1, 2, 1, 3] }],
  ["LeakyRelu", wide],
  ["LeakyRelu", { opset: 7, attributes: { alpha: float(0.3) } }],
  ["LeakyRelu", { attributes: { alpha: float(-1.5) }, width: 4 }],
  ["LeakyRelu", { attributes: { alpha: float(2) } }],
  ["PRelu", { constants: [float32("s", [0.25, -0.5, 3])], width: 3 }],
  ["PRelu", { opset: 7, constants: [float32("s", [0.25])] }],
  ["PRelu", { opset: 9, shape: [2, 3, 2], constants: [float32("s", [0.25, 0.1, -2], [3, 1])], width: 3 }],
  ["PRelu", { shape: [2, 2], constants: [float32("s", [1, 0, 0.5, -1], [2, 2])] }],
  ["Elu", wide],
  ["Elu", { opset: 7, attributes: { alpha: float(2.5) }, width: 4 }],
  ["Elu", { attributes: { alpha: float(-0.7) }, width: 4 }],
  ["Selu", wide],
  ["Selu", { opset: 7, attributes: { alpha: float(0.5), gamma: float(1.3) } }],
  ["Celu", { ...wide, opset: 12 }],
  ["Celu", { opset: 12, attributes: { alpha: float(0.4) }, width: 4 }],
  ["Celu", { opset: 12, attributes: { alpha: float(3) }, width: 4 }],
  ["ThresholdedRelu", { opset: 10, width: 3 }],
  ["ThresholdedRelu", { opset: 10, attributes: { alpha: float(0) }, width: 3 }],
  ["ThresholdedRelu", { opset: 10, attributes: { alpha: float(-0.5) }, width: 3 }],
  ["Shrink", { opset: 9, width: 3 }],
  ["Shrink", { opset: 9, attributes: { lambd: float(0.75), bias: float(0.75) }, width: 3 }],
  ["Shrink", { opset: 9, attributes: { lambd: float(0.25), bias: float(1) }, width: 3 }],
  ["Clip", { opset: 7, width: 3 }],
  ["Clip", { opset: 10, attributes: { min: float(-0.5), max: float(0.75) }, width: 3 }],
  ["Clip", { opset: 10, attributes: { max: float(0.75) }, width: 3 }],
  ["Clip", { opset: 11, constants: [float32("a", [-0.5], []), float32("b", [1], [])], width: 3 }],
  ["Clip", { opset: 12, inputs: ["x", "", "b"], constants: [float32("b", [0.5], [])], width: 3 }],
  ["Clip", { opset: 13, constants: [float32("a", [-0.5], [])], width: 3 }],
  ["Clip", { opset: 13 }],
  ["Clip", { opset: 13, constants: [float32("a", [0.5], []), float32("b", [-0.5], [])] }],
  ["HardSigmoid", wide],
  ["HardSigmoid", { opset: 7, attributes: { alpha: float(0.4), beta: float(0.3) }, width: 3 }],
  ["HardSigmoid", { attributes: { alpha: float(-0.4), beta: float(0.6) }, width: 3 }],
  ["HardSwish", { ...wide, opset: 14 }],
  ["Sigmoid", wide],
  ["Sigmoid", { opset: 7, shape: [5] }],
  ["Tanh", wide],
  ["Tanh", { opset: 7, shape: [1, 1] }],
  ["Softplus", wide],
  ["Softplus", { opset: 7 }],
  ["Softsign", wide],
  ["Softsign", { opset: 7 }],
  ["Mish", { ...wide, opset: 18 }],
  ["Mish", { opset: 18, width: 2 }],
  ["Gelu", wide],
  ["Gelu", { width: 2, attributes: { approximate: string("none") } }],
  ["Gelu", { ...wide, attributes: { approximate: string("tanh") } }],
  ["Gelu", { width: 2, attributes: { approximate: string("tanh") } }],
  ["Gelu", { ...microsoft, width: 2, opset: 13 }],
  ["BiasGelu", { ...microsoft, constants: [float32("b", [0.5, -1, 2])], width: 2 }],
  ["FastGelu", { ...microsoft, constants: [float32("b", [0.5, -1, 2])], width: 2 }],
  ["FastGelu", { ...microsoft, width: 2 }],
  ["QuickGelu", { ...microsoft, width: 2 }],
  ["QuickGelu", { ...microsoft, ...wide, attributes: { alpha: float(1) } }],
  ["QuickGelu", { ...microsoft, width: 2, attributes: { alpha: float(-0.8) } }],
  ["QuickGelu", { ...microsoft, attributes: { alpha: float(0) } }],
  ["Erf", wide],
  ["Erf", { opset: 9 }],
  ["Abs", wide],
  ["Abs", { opset: 7 }],
  ["Neg", { opset: 7 }],
  ["Neg", { shape: [] }],
  ["Sign", { opset: 9, width: 3 }],
  ["Floor", { opset: 7, range: [-5, 5], width: 3 }],
  ["Ceil", { range: [-5, 5], width: 3 }],
  ["Round", { opset: 11, range: [-5, 5], width: 3 }],
  ["Exp", { range: [-5, 3], width: 2 }],
  ["Exp", { opset: 7 }],
  ["Log", { range: [0.5, 5] }],
  ["Log", { opset: 7, range: [0.01, 1], width: 0.005 }],
  ["Sqrt", { range: [0.5, 5] }],
  ["Sqrt", { opset: 7, range: [0.01, 1], width: 0.005 }],
  ["Reciprocal", { range: [0.5, 5] }],
  ["Reciprocal", { opset: 7, range: [-3, -1] }],
  ["Sin", { opset: 7, range: [-20, 20], width: 6 }],
  ["Cos", { range: [-20, 20], width: 6 }],
  ["Tan", { opset: 7, range: [-1, 1] }],
  ["Tan", { range: [4, 4.5], width: 0.1 }],
  ["Asin", { opset: 7, range: [-0.9, 0.9], width: 0.05 }],
  ["Acos", { range: [-0.9, 0.9], width: 0.05 }],
  ["Atan", { ...wide, opset: 7 }],
  ["Sinh", { opset: 9, range: [-3, 3], width: 2 }],
  ["Cosh", { opset: 9, range: [-3, 3], width: 2 }],
  ["Asinh", { ...wide, opset: 9 }],
  ["Acosh", { opset: 9, range: [1.5, 8], width: 0.4 }],
  ["Atanh", { opset: 9, range: [-0.9, 0.9], width: 0.05 }],
];

function title([op, { opset, attributes, constants, domain }]: readonly [string, Options]): string {
  const given = Object.entries(attributes ?? {}).map(([k, v]) => `${k} ${"value" in v ? v.value : ""}`);
  const inputs = (constants ?? []).map((c) => `${c.name} [${c.shape}]`);
  return [`${domain ?? ""} ${op}`.trim(), `opset ${opset ?? 20}`, ...given, ...inputs].join(", ");
}

describe("activations against the runtime, differences, boxes and pairs", () => {
  it.each(ROWS.map(([op, options = {}], i) => [`${i}: ${title([op, options])}`, op, options] as const))(
    "%s",
    async (_title, op, options) => void (await checkModel(model(op, options), options)),
  );

  it("Swish, which onnxruntime does not run: as QuickGelu with the same alpha", async () => {
    for (const alpha of [undefined, 0.5, 2, -1.5]) {
      const attributes = alpha === undefined ? {} : { alpha: float(alpha) };
      const swish = model("Swish", { opset: 24, attributes });
      const network = await checkModel(swish, { runtime: false, width: 3 });
      const [{ operation }] = network.nodes;
      const a = Math.fround(alpha ?? 1);
      if (operation.kind !== "elementwise") throw new TypeError(operation.kind);
      for (const x of [-30, -2, -0.1, 0, 0.7, 3, 40]) {
        expect(operation.unit(0).value(x)).toBeCloseTo(x / (1 + Math.exp(-a * x)), 13);
      }
    }
  });
});

describe("operations of one unit", () => {
  it("shares one function between units of equal slopes", async () => {
    const network = await checkModel(
      model("PRelu", { shape: [2, 3], constants: [float32("s", [0.5, 0.25, 0.5])] }),
    );
    const [{ operation }] = network.nodes;
    if (operation.kind !== "elementwise") throw new TypeError(operation.kind);
    expect(operation.unit(0)).toBe(operation.unit(2));
    expect(operation.unit(0)).toBe(operation.unit(3));
    expect(operation.unit(0)).not.toBe(operation.unit(1));
    expect(operation.unit(1).slopes(-1, 1)).toEqual([0.25, 1]);
  });

  it("negates exactly, as a matrix", async () => {
    const [{ operation }] = (await checkModel(model("Neg", {}))).nodes;
    if (operation.kind !== "affine") throw new TypeError(operation.kind);
    expect(operation.parts[0].roundings).toBe(0);
  });
});

async function constantOfModel(op: string, options: Options = {}): Promise<number | undefined> {
  return (await constantsOf(await openTestModel(model(op, options))))?.constants[0];
}

describe("Lipschitz constants", () => {
  it.each([
    ["Relu", {}, 1],
    ["LeakyRelu", { attributes: { alpha: float(-1.5) } }, 1.5],
    ["PRelu", { constants: [float32("s", [0.25, -0.5, 3])] }, 3],
    ["Elu", { attributes: { alpha: float(2.5) } }, 2.5],
    ["Selu", {}, 1.7580993],
    ["Celu", { attributes: { alpha: float(0.4) } }, 1],
    ["ThresholdedRelu", { attributes: { alpha: float(0) } }, 1],
    ["ThresholdedRelu", {}, undefined],
    ["Shrink", { attributes: { lambd: float(0.75), bias: float(0.75) } }, 1],
    ["Shrink", {}, undefined],
    ["Clip", { constants: [float32("a", [-0.5], [])] }, 1],
    ["HardSigmoid", {}, Math.fround(0.2)],
    ["HardSwish", {}, 1.5],
    ["Sigmoid", {}, 0.25],
    ["Tanh", {}, 1],
    ["Softplus", {}, 1],
    ["Softsign", {}, 1],
    ["Mish", {}, 1.088499],
    ["Gelu", {}, 1.128905],
    ["Gelu", { attributes: { approximate: string("tanh") } }, 1.128994],
    ["BiasGelu", { ...microsoft, constants: [float32("b", [1, 2, 3])] }, 1.128905],
    ["FastGelu", microsoft, 1.128994],
    ["QuickGelu", microsoft, 1.09984],
    ["Erf", {}, 1.128379168],
    ["Abs", {}, 1],
    ["Neg", {}, 1],
    ["Sin", {}, 1],
    ["Cos", {}, 1],
    ["Atan", {}, 1],
    ["Asinh", {}, 1],
    ...["Exp", "Sinh", "Cosh", "Tan", "Log", "Sqrt", "Reciprocal", "Asin", "Acos", "Acosh", "Atanh"].map(
      (op) => [op, {}, undefined] as const,
    ),
    ...["Sign", "Floor", "Ceil", "Round"].map((op) => [op, {}, undefined] as const),
  ] as readonly (readonly [string, Options, number | undefined])[])(
    "%s %j: %s",
    async (op, options, constant) => {
      const found = await constantOfModel(op, options);
      if (constant === undefined) expect(found).toBeUndefined();
      else expect(found).toBeCloseTo(constant, 6);
      if (constant !== undefined && Number.isInteger(4 * constant)) expect(found).toBe(constant);
    },
  );
});
