import { describe, it } from "vitest";
import { type CheckOptions, checkModel } from "../testing/check-operation.ts";
import { type OneNode, oneNode } from "../testing/one-node.ts";
import { float32, int, int64, randomNumbers, type TestModel } from "../testing/run-onnx.ts";

interface Options extends Omit<OneNode, "inputs">, CheckOptions {
  /** The node's inputs in order: x0, x1, … are signals, the rest constants. */
  readonly operands?: string;
}

function model(opType: string, { operands = "x0 x1", ...one }: Options): TestModel {
  const inputs = operands.split(" ");
  const signals = new Set(inputs.filter((name) => /^x\d$/.test(name)));
  return oneNode(opType, { opset: 20, shapes: Array.from(signals, () => [2, 3]), inputs, ...one });
}

/** Reproducible numbers away from 0. */
function constant(name: string, shape: readonly number[], positive = false) {
  const random = randomNumbers(shape.length + name.length);
  const data = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    const r = random();
    return positive || r >= 0 ? Math.abs(r) + 0.25 : r - 0.25;
  });
  return float32(name, data, shape);
}

const condition = (data: readonly number[], shape: readonly number[] = [data.length]) => ({
  name: "c",
  dtype: "bool",
  shape,
  data: Uint8Array.from(data),
});

type Row = readonly [title: string, op: string, options: Options];

/** Every broadcast an operator of two operands may meet. */
function broadcasts(op: string, options: Options = {}): readonly Row[] {
  const sizes: readonly (readonly [string, readonly number[], readonly number[]])[] = [
    ["alike", [2, 3], [2, 3]],
    ["scalars", [], []],
    ["with a scalar", [2, 3], []],
    ["of a scalar", [], [2, 3]],
    ["both ways", [2, 1, 3], [4, 1]],
    ["rows", [3], [2, 3]],
    ["one entry of another rank", [3, 2], [1, 1, 1]],
  ];
  return sizes.map(([title, x, y]) => [`${op} ${title}`, op, { ...options, shapes: [x, y] }] as const);
}

/** The same with one operand constant, on either side. */
function withConstant(op: string, options: Options = {}, positive = false): readonly Row[] {
  const sizes: readonly (readonly [readonly number[], readonly number[]])[] = [
    [
      [2, 3],
      [2, 3],
    ],
    [[2, 3], []],
    [[2, 3], [3]],
    [
      [1, 3, 2],
      [3, 1],
    ],
    [
      [3, 1],
      [2, 1, 4],
    ],
    [[], [2, 2]],
    [[], []],
  ];
  return sizes.flatMap(([x, c]) =>
    ["x0 c", "c x0"].map(
      (operands) =>
        [
          `${op}(${operands}) [${x}] and constant [${c}]`,
          op,
          { ...options, operands, shapes: [x], constants: [constant("c", c, positive)] },
        ] as const,
    ),
  );
}

const away: Options = { range: [0.5, 3], width: 0.4 };
const wide: Options = { width: 3 };

const ROWS: readonly Row[] = [
  ...broadcasts("Add"),
  ...withConstant("Add", { opset: 7 }),
  ...broadcasts("Sub", { opset: 7 }),
  ...withConstant("Sub"),
  ...broadcasts("Mul", wide),
  ...withConstant("Mul", { opset: 7 }),
  ...broadcasts("Div", { ...away, opset: 7 }),
  ...withConstant("Div", away, true),
  ...broadcasts("Pow", away),
  ...withConstant("Pow", { ...away, opset: 7 }, true),
  ...broadcasts("Max", wide),
  ...withConstant("Max", { opset: 8, width: 3 }),
  ...broadcasts("Min", { opset: 8, width: 3 }),
  ...withConstant("Min", wide),
  ...broadcasts("Sum", { opset: 8 }),
  ...broadcasts("Mean", { opset: 8 }),
  ...withConstant("Mean"),
  ...broadcasts("PRelu", { ...wide, shapes: [] }).filter(([title]) => /alike|with a scalar/.test(title)),
  ["Div by negative numbers", "Div", { ...away, range: [-3, -0.5] }],
  ...[1, 2, 3, 4, 0, -1, -2, -3].map(
    (p): Row => [
      `Pow ${p}`,
      "Pow",
      {
        range: p < 0 ? [-3, -0.6] : [-2, 2],
        width: p < 0 ? 0.1 : 2,
        operands: "x0 p",
        constants: [float32("p", [p], [])],
      },
    ],
  ),
  ...[0.5, 0.25, 1.5, 2.7, -0.5, -0.3, -1.6].map(
    (p): Row => [`Pow ${p}`, "Pow", { ...away, operands: "x0 p", constants: [float32("p", [p], [])] }],
  ),
  [
    "Pow with an integer exponent",
    "Pow",
    { opset: 13, operands: "x0 p", constants: [int64("p", [2, 3, 1])] },
  ],
  ["Pow of two signals at base near 1", "Pow", { range: [0.8, 1.2], width: 0.3 }],
  ["Sum of one", "Sum", { operands: "x0" }],
  ["Sum of several", "Sum", { operands: "x0 a x1 b", constants: [constant("a", [3]), constant("b", [])] }],
  ["Sum of a value and itself", "Sum", { operands: "x0 x1 x0" }],
  ["Mean of one", "Mean", { operands: "x0" }],
  [
    "Mean of several",
    "Mean",
    { operands: "x0 x1 c", shapes: [[2, 3], [3]], constants: [constant("c", [2, 1])] },
  ],
  ["Max of one", "Max", { operands: "x0" }],
  [
    "Max of several",
    "Max",
    { ...wide, operands: "x0 a x1 b", constants: [constant("a", [3]), constant("b", [])] },
  ],
  [
    "Min of several",
    "Min",
    { ...wide, operands: "a x0 b", constants: [constant("a", [3]), constant("b", [2, 1])] },
  ],
  ["Max of three signals", "Max", { ...wide, operands: "x0 x1 x2", shapes: [[2, 3], [3], [2, 1]] }],
  [
    "Mod",
    "Mod",
    {
      opset: 13,
      operands: "x0 c",
      attributes: { fmod: int(1) },
      constants: [float32("c", [0.7, -1.3, 5])],
      width: 3,
    },
  ],
  ["Mod of signals", "Mod", { ...away, opset: 10, attributes: { fmod: int(1) } }],
  ["Clip by signals", "Clip", { ...wide, shapes: [[2, 3], [], []], operands: "x0 x1 x2" }],
  ["Clip by one signal", "Clip", { ...wide, shapes: [[2, 3], []], operands: "x0  x1" }],
  [
    "Clip of a constant",
    "Clip",
    { ...wide, shapes: [[]], operands: "c x0", constants: [constant("c", [4])] },
  ],
  [
    "Where of two signals",
    "Where",
    { opset: 9, operands: "c x0 x1", shapes: [[2, 1], [3]], constants: [condition([1, 0, 1])] },
  ],
  [
    "Where with a constant",
    "Where",
    {
      operands: "c x0 a",
      shapes: [[3]],
      constants: [condition([1, 0, 0, 1], [4, 1]), constant("a", [1, 3])],
    },
  ],
  [
    "Where otherwise",
    "Where",
    {
      opset: 16,
      operands: "c a x0",
      shapes: [[]],
      constants: [condition([1, 0]), constant("a", [2, 1])],
    },
  ],
  ["Where on a scalar", "Where", { operands: "c x0 x1", constants: [condition([0], [])] }],
];

describe("arithmetic against the runtime, differences, boxes and pairs", () => {
  it.each(ROWS.map(([title, op, options], i) => [`${i}: ${title}`, op, options] as const))(
    "%s",
    async (_title, op, options) =>
      void (await checkModel(model(op, options), { accuracy: 1e-5, ...options })),
  );
});
