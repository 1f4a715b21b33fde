import { intAttribute } from "../attributes.ts";
import { type Application, rulesFor, type ShapeRule, type ShapeRules } from "./rule.ts";
import {
  broadcastOffsets,
  broadcastShapes,
  elementCount,
  entriesOf,
  isKnown,
  MAX_CONTENTS,
  ofShape,
  UNKNOWN,
  type Value,
  withContents,
} from "./value.ts";

/** Shape arithmetic joins a few operands; more would only cost memory. */
const MAX_OPERANDS = 16;

type Fold = (operands: readonly number[], dtype: string, op: Application) => number;

function isInteger(dtype: string): boolean {
  return /^u?int\d+$/.test(dtype);
}

/** Results are rounded as the runtime rounds them, so that Floor(size·scale) falls on the same side. */
function rounded(x: number, dtype: string): number {
  return dtype === "float32" ? Math.fround(x) : x;
}

function foldUnary(fold: (x: number) => number): ShapeRule {
  return (op) => {
    const x = op.inputs[0] ?? UNKNOWN;
    const contents = x.contents?.map((c) => (c === null ? null : rounded(fold(c), x.dtype)));
    return [withContents(x.shape, x.dtype, contents)];
  };
}

/** First output like the first input. */
export const likeFirst: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  return [ofShape(x.shape, x.dtype)];
};

function broadcastAll(inputs: readonly (Value | undefined)[]): Value["shape"] {
  return inputs.map((v) => v?.shape ?? null).reduce((a, b) => broadcastShapes(a, b), [] as Value["shape"]);
}

function foldBroadcast(
  inputs: readonly Value[],
  shape: Value["shape"],
  fold: (operands: readonly (number | null)[]) => number | null,
): (number | null)[] | undefined {
  const count = elementCount(shape);
  if (!isKnown(shape) || count === null || count > MAX_CONTENTS || inputs.length > MAX_OPERANDS)
    return undefined;
  const columns: (number | null)[][] = [];
  for (const input of inputs) {
    const entries = entriesOf(input);
    if (entries === undefined || !isKnown(input.shape)) return undefined;
    columns.push(broadcastOffsets(input.shape, shape).map((o) => entries[o]));
  }
  return Array.from({ length: count }, (_, i) => fold(columns.map((c) => c[i])));
}

function broadcasting(fold: Fold | null, dtype?: string): ShapeRule {
  return (op) => {
    const inputs = op.inputs.map((v) => v ?? UNKNOWN);
    const type = inputs[0]?.dtype ?? "unknown";
    // Before operator set 7 the second operand was broadcast to the first, along `axis`.
    if (op.opset < 7 && inputs.length === 2) return [ofShape(inputs[0].shape, dtype ?? type)];
    const shape = broadcastAll(inputs);
    if (fold === null || !inputs.some((v) => v.contents !== undefined))
      return [ofShape(shape, dtype ?? type)];
    const contents = foldBroadcast(inputs, shape, (operands) =>
      operands.some((x) => x === null) ? null : rounded(fold(operands as number[], type, op), type),
    );
    return [withContents(shape, dtype ?? type, contents)];
  };
}

function modulo([a, b]: readonly number[], _dtype: string, op: Application): number {
  const r = a % b;
  const signed = intAttribute(op.node, "fmod") === 1 || r === 0 || r < 0 === b < 0;
  return signed ? r : r + b;
}

const where: ShapeRule = (op) => {
  const inputs = [0, 1, 2].map((i) => op.inputs[i] ?? UNKNOWN);
  const shape = broadcastAll(inputs);
  const dtype = inputs[1].dtype;
  if (!inputs.slice(1).some((v) => v.contents !== undefined)) return [ofShape(shape, dtype)];
  const contents = foldBroadcast(inputs, shape, ([c, x, y]) =>
    c === null ? (x === y ? x : null) : c ? x : y,
  );
  return [withContents(shape, dtype, contents)];
};

/** Elementwise operators: one operand, or several broadcast against each other. */
export const elementwiseRules: ShapeRules = {
  ...rulesFor(
    [
      ..."Exp Log Sin Cos Tan Asin Acos Atan Sinh Cosh Tanh Asinh Acosh Atanh Erf Reciprocal".split(" "),
      ..."LeakyRelu Elu Selu Celu ThresholdedRelu Sigmoid HardSigmoid HardSwish Softplus".split(" "),
      ..."Softsign Mish Gelu Swish Clip PRelu Shrink BitwiseNot Trilu CumSum CumProd Bernoulli".split(" "),
      ..."BiasGelu FastGelu QuickGelu".split(" "),
    ],
    likeFirst,
  ),
  Abs: foldUnary(Math.abs),
  Neg: foldUnary((x) => 0 - x),
  Floor: foldUnary(Math.floor),
  Ceil: foldUnary(Math.ceil),
  Sqrt: foldUnary(Math.sqrt),
  Sign: foldUnary(Math.sign),
  Relu: foldUnary((x) => Math.max(x, 0)),
  Not: foldUnary((x) => (x ? 0 : 1)),
  Round: foldUnary((x) => {
    const r = Math.round(x);
    return Math.abs(x % 1) === 0.5 && r % 2 !== 0 ? r - 1 : r;
  }),
  ...rulesFor(["IsNaN", "IsInf"], (op) => [ofShape(op.inputs[0]?.shape ?? null, "bool")]),
  Add: broadcasting(([a, b]) => a + b),
  Sub: broadcasting(([a, b]) => a - b),
  Mul: broadcasting(([a, b]) => a * b),
  Div: broadcasting(([a, b], dtype) => (isInteger(dtype) ? Math.trunc(a / b) : a / b)),
  Mod: broadcasting(modulo),
  Pow: broadcasting(([a, b]) => a ** b),
  Min: broadcasting((xs) => Math.min(...xs)),
  Max: broadcasting((xs) => Math.max(...xs)),
  Sum: broadcasting((xs) => xs.reduce((a, b) => a + b, 0)),
  ...rulesFor(["Mean", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor"], broadcasting(null)),
  And: broadcasting(([a, b]) => (a && b ? 1 : 0), "bool"),
  Or: broadcasting(([a, b]) => (a || b ? 1 : 0), "bool"),
  Xor: broadcasting(([a, b]) => (!a !== !b ? 1 : 0), "bool"),
  Equal: broadcasting(([a, b]) => (a === b ? 1 : 0), "bool"),
  Greater: broadcasting(([a, b]) => (a > b ? 1 : 0), "bool"),
  GreaterOrEqual: broadcasting(([a, b]) => (a >= b ? 1 : 0), "bool"),
  Less: broadcasting(([a, b]) => (a < b ? 1 : 0), "bool"),
  LessOrEqual: broadcasting(([a, b]) => (a <= b ? 1 : 0), "bool"),
  Where: where,
};
