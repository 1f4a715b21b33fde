import type { BinaryOp, Node, NodeOf, UnaryOp } from "../graph.ts";
import type { ElementType } from "../lowered.ts";
import type { Lower, Lowering, Lowerings } from "./lowering.ts";

/** ONNX operators of one operand, and whether onnxruntime has them for float64. */
const UNARY: Readonly<Partial<Record<UnaryOp, readonly [string, ("float32 only" | "floats")?]>>> = {
  floor: ["Floor"],
  ceil: ["Ceil"],
  sin: ["Sin"],
  cos: ["Cos"],
  asin: ["Asin", "float32 only"],
  atan: ["Atan", "float32 only"],
  exp: ["Exp"],
  log: ["Log"],
  erf: ["Erf", "float32 only"],
  sqrt: ["Sqrt"],
  reciprocal: ["Reciprocal"],
  tanh: ["Tanh"],
  sigmoid: ["Sigmoid"],
  softplus: ["Softplus"],
  relu: ["Relu"],
  abs: ["Abs"],
  not: ["Not"],
};

export function unary(op: UnaryOp): Lower<never> {
  const [opType, types] = UNARY[op]!;
  return (lowering: Lowering, node: Node) => {
    if (types !== "float32 only" || node.dtype !== "float64") {
      return lowering.broadcast(node, (operands) => lowering.emitter.op(opType, operands));
    }
    const name = lowering.name(node.inputs[0]);
    return lowering.cast(lowering.emitter.op(opType, [lowering.cast(name, "float32")]), "float64");
  };
}

const BINARY: Readonly<Partial<Record<BinaryOp, string>>> = {
  add: "Add",
  sub: "Sub",
  mul: "Mul",
  div: "Div",
  min: "Min",
  max: "Max",
};

/** On truth values a sum is "or" and a product "and". */
const LOGICAL: Readonly<Partial<Record<BinaryOp, string>>> = { add: "Or", max: "Or", mul: "And", min: "And" };

export function binary(op: BinaryOp): Lower<never> {
  return (lowering: Lowering, node: Node) => {
    const opType = (node.dtype === "bool" ? LOGICAL : BINARY)[op]!;
    return lowering.broadcast(node, (operands) => lowering.emitter.op(opType, operands));
  };
}

/** onnxruntime has Neg of signed numbers only. */
const neg: Lower<"neg"> = (lowering, node) => {
  const { emitter } = lowering;
  const { inputs, dtype } = node;
  if (dtype === "uint32") return emitter.op("Sub", [emitter.scalar(0, dtype), lowering.name(inputs[0])]);
  return lowering.broadcast(node, (operands) => emitter.op("Neg", operands));
};

const COMPARISONS = { less: "Less", lessOrEqual: "LessOrEqual", equal: "Equal", notEqual: "Equal" } as const;

const compare: Lower<"compare"> = (lowering, node) => {
  const { comparison } = node.parameters;
  const ordered = comparison === "less" || comparison === "lessOrEqual";
  const integers = ordered && node.inputs[0].dtype === "bool";
  return lowering.broadcast(node, (names) => {
    const operands = integers ? names.map((name) => lowering.cast(name, "int32")) : names;
    const result = lowering.emitter.op(COMPARISONS[comparison], operands);
    return comparison === "notEqual" ? lowering.emitter.op("Not", [result]) : result;
  });
};

/** Types that onnxruntime's Where lacks, and ones that hold their values. */
const WHERE_TYPES: Readonly<Partial<Record<ElementType, ElementType>>> = { uint32: "int32", bool: "int32" };

const where: Lower<"where"> = (lowering, node) =>
  lowering.broadcast(node, ([condition, ...values]) => {
    const { emitter } = lowering;
    const type = WHERE_TYPES[node.dtype];
    if (type === undefined) return emitter.op("Where", [condition, ...values]);
    const chosen = emitter.op("Where", [condition, ...values.map((name) => lowering.cast(name, type))]);
    return lowering.cast(chosen, node.dtype);
  });

const leakyRelu: Lower<"leakyRelu"> = (lowering, { inputs: [x], parameters: { slope } }) =>
  lowering.emitter.op("LeakyRelu", [lowering.name(x)], { alpha: { kind: "float", value: slope } });

const clip: Lower<"clip"> = (lowering, { inputs: [x], parameters: { low, high }, dtype }) => {
  const { emitter } = lowering;
  return emitter.op("Clip", [lowering.name(x), emitter.scalar(low, dtype), emitter.scalar(high, dtype)]);
};

/** ⌊|x|⌋ with the sign of x. */
export function truncated(lowering: Lowering, name: string, dtype: ElementType): string {
  const { emitter } = lowering;
  const negative = emitter.op("Less", [name, emitter.scalar(0, dtype)]);
  return emitter.op("Where", [negative, emitter.op("Ceil", [name]), emitter.op("Floor", [name])]);
}

const BITWISE = { and: "BitwiseAnd", or: "BitwiseOr", xor: "BitwiseXor" } as const;
const LOGIC = { and: "And", or: "Or", xor: "Xor" } as const;

const bitCombine: Lower<"bitCombine"> = (lowering, { inputs, parameters: { operation }, dtype }) =>
  lowering.emitter.op((dtype === "bool" ? LOGIC : BITWISE)[operation], lowering.names(inputs));

/** Shifts of 32 bits, of which the low five bits of the distance count; to the right, zeros come in. */
const bitShift: Lower<"bitShift"> = (lowering, { inputs: [x, y], parameters: { direction }, dtype }) => {
  const { emitter } = lowering;
  const unsigned = (node: Node) =>
    node.dtype === "uint32" ? lowering.name(node) : lowering.cast(lowering.name(node), "uint32");
  const distance = emitter.op("BitwiseAnd", [unsigned(y), emitter.scalar(31, "uint32")]);
  const shifted = emitter.op("BitShift", [unsigned(x), distance], {
    direction: direction === "shl" ? "LEFT" : "RIGHT",
  });
  return dtype === "uint32" ? shifted : lowering.cast(shifted, dtype);
};

/** The operands of a bit count's steps: masks of 2, 4 and 8 bits. */
const bitCount: Lower<"bitCount"> = (lowering, { inputs: [x] }: NodeOf<"bitCount">) => {
  const { emitter } = lowering;
  const word = (value: number) => emitter.scalar(value, "uint32");
  const op = (opType: string, a: string, b: string) => emitter.op(opType, [a, b]);
  const right = (a: string, bits: number) => emitter.op("BitShift", [a, word(bits)], { direction: "RIGHT" });
  const v = x.dtype === "uint32" ? lowering.name(x) : lowering.cast(lowering.name(x), "uint32");
  const pairs = op("Sub", v, op("BitwiseAnd", right(v, 1), word(0x55555555)));
  const fours = op(
    "Add",
    op("BitwiseAnd", pairs, word(0x33333333)),
    op("BitwiseAnd", right(pairs, 2), word(0x33333333)),
  );
  const bytes = op("BitwiseAnd", op("Add", fours, right(fours, 4)), word(0x0f0f0f0f));
  return lowering.cast(right(op("Mul", bytes, word(0x01010101)), 24), "int32");
};

export const ELEMENTWISE: Lowerings = {
  ...Object.fromEntries(Object.keys(UNARY).map((op) => [op, unary(op as UnaryOp)])),
  ...Object.fromEntries(Object.keys(BINARY).map((op) => [op, binary(op as BinaryOp)])),
  neg,
  compare,
  where,
  leakyRelu,
  clip,
  bitCombine,
  bitShift,
  bitCount,
};
