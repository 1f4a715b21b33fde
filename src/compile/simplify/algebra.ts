import { type Node, type NodeOf, sameShape } from "../graph.ts";
import { type Builder, isScalar, type Rule, type Rules } from "./builder.ts";

/** Whether a commutative operation's operands should change places: scalars come last, otherwise the older node first. */
function swapped({ inputs: [x, y] }: Node): boolean {
  const scalar = (node: Node) => node.shape.length === 0;
  return scalar(x) === scalar(y) ? x.id > y.id : scalar(x);
}

/** One order for operands that commute, so that equal results are found to be equal. */
const ordered: Rule<"add" | "mul" | "min" | "max"> = (build, node) =>
  swapped(node) ? build.binary(node.op, node.inputs[1], node.inputs[0]) : undefined;

const isFloat = (node: Node) => node.dtype.startsWith("float");

/** A constant of rank 0 that is a finite number. */
function finite(node: Node): number | undefined {
  return node.op === "scalar" && Number.isFinite(node.parameters.value) ? node.parameters.value : undefined;
}

/** The factor and the rest of x·s and x/s with s of rank 0. */
function scaled(build: Builder, node: Node): { x: Node; by: (factor: Node) => Node } | undefined {
  if (node.op !== "mul" && node.op !== "div") return undefined;
  const [x, s] = node.inputs;
  if (s.shape.length > 0 || x.shape.length === 0) return undefined;
  return { x, by: (factor) => (node.op === "mul" ? build.mul(factor, s) : build.div(factor, s)) };
}

/** The operand of an operation, seen through a view of its result. */
function operandOf(build: Builder, node: Node, op: "neg" | "reciprocal"): Node | undefined {
  if (node.op === op) return node.inputs[0];
  if (node.op !== "reshape" && node.op !== "transpose") return undefined;
  const [inner] = node.inputs;
  if (inner.op !== op) return undefined;
  return build.node(node.op, [inner.inputs[0]], node.parameters as never, node.shape, node.dtype);
}

const add: Rule<"add"> = (build, { inputs: [x, y] }) => {
  if (isScalar(y, 0)) return x;
  const minusY = operandOf(build, y, "neg");
  if (minusY !== undefined) return build.sub(x, minusY);
  const minusX = operandOf(build, x, "neg");
  if (minusX !== undefined) return build.sub(y, minusX);
  if (x === y && isFloat(x)) return build.mul(x, build.scalar(2, x.dtype));
  const negative = positiveForm(build, y);
  return negative === undefined ? masksJoined(build, x, y) : build.sub(x, negative);
};

/** −y for y = x·c with a negative constant c. */
function positiveForm(build: Builder, y: Node): Node | undefined {
  if (y.op !== "mul" || !isFloat(y)) return undefined;
  const factor = finite(y.inputs[1]);
  return factor !== undefined && factor < 0 ? build.neg(y) : undefined;
}

/** What a mask keeps: where(c, x, 0) or where(c, 0, x). */
function masked(
  node: Node,
): { readonly condition: Node; readonly kept: Node; readonly when: boolean } | undefined {
  if (node.op !== "where") return undefined;
  const [condition, x, y] = node.inputs;
  if (isScalar(y, 0)) return { condition, kept: x, when: true };
  return isScalar(x, 0) ? { condition, kept: y, when: false } : undefined;
}

function masksJoined(build: Builder, x: Node, y: Node): Node | undefined {
  const a = masked(x);
  const b = masked(y);
  if (a === undefined || b === undefined || a.condition !== b.condition || a.when === b.when)
    return undefined;
  return a.when ? build.where(a.condition, a.kept, b.kept) : build.where(a.condition, b.kept, a.kept);
}

const sub: Rule<"sub"> = (build, { inputs: [x, y] }) => {
  if (isScalar(y, 0)) return x;
  if (isScalar(x, 0)) return build.neg(y);
  if (y.op === "neg") return build.add(x, y.inputs[0]);
  if (x.op === "neg") return build.neg(build.add(x.inputs[0], y));
  const negative = positiveForm(build, y);
  return negative === undefined ? undefined : build.add(x, negative);
};

const mul: Rule<"mul"> = (build, { inputs: [x, y], shape }) => {
  if (isScalar(y, 1)) return x;
  // As in jax-js, whatever x is.
  if (isScalar(y, 0)) return build.filled(0, shape, x.dtype);
  if (!isFloat(x)) return undefined;
  if (isScalar(y, -1)) return build.neg(x);
  const divisorY = operandOf(build, y, "reciprocal");
  if (divisorY !== undefined) return build.div(x, divisorY);
  const divisorX = operandOf(build, x, "reciprocal");
  if (divisorX !== undefined) return build.div(y, divisorX);
  const quotient = dividedTwice(build, x, y) ?? dividedTwice(build, y, x);
  if (quotient !== undefined) return quotient;
  if (x.op === "neg") return build.neg(build.mul(x.inputs[0], y));
  if (y.op === "neg") return build.neg(build.mul(x, y.inputs[0]));
  if (y.shape.length > 0) return undefined;
  const inner = scaled(build, x);
  if (inner !== undefined) return build.mul(inner.x, inner.by(y));
  return maskScaled(build, x, y);
};

/** x·((1/a)/b) as (x/a)/b, of rank 0: one operation less. */
function dividedTwice(build: Builder, x: Node, y: Node): Node | undefined {
  if (x.shape.length > 0 || y.shape.length > 0 || y.op !== "div") return undefined;
  const [inverse, divisor] = y.inputs;
  return inverse.op === "reciprocal" ? build.div(build.div(x, inverse.inputs[0]), divisor) : undefined;
}

/** A mask of a finite multiple for the multiple of a mask. */
function maskScaled(build: Builder, x: Node, factor: Node): Node | undefined {
  const mask = finite(factor) === undefined ? undefined : masked(x);
  if (mask === undefined) return undefined;
  const zero = build.scalar(0, x.dtype);
  const kept = build.mul(mask.kept, factor);
  return mask.when ? build.where(mask.condition, kept, zero) : build.where(mask.condition, zero, kept);
}

const neg: Rule<"neg"> = (build, { inputs: [x] }) => {
  if (x.op === "neg") return x.inputs[0];
  if (!isFloat(x)) return undefined;
  if (x.op === "sub") return build.sub(x.inputs[1], x.inputs[0]);
  if (x.op === "mul") {
    const factor = finite(x.inputs[1]);
    return factor === undefined ? undefined : build.mul(x.inputs[0], build.scalar(-factor, x.dtype));
  }
  if (x.op === "div") {
    const numerator = finite(x.inputs[0]);
    return numerator === undefined ? undefined : build.div(build.scalar(-numerator, x.dtype), x.inputs[1]);
  }
  return maskScaled(build, x, build.scalar(-1, x.dtype));
};

const div: Rule<"div"> = (build, { inputs: [x, y] }) => {
  if (isScalar(x, 1)) return build.unary("reciprocal", y);
  const divisor = finite(y);
  if (divisor !== undefined && Number.isFinite(Math.fround(1 / divisor))) {
    return build.mul(x, build.scalar(1 / divisor, y.dtype));
  }
  if (x.op === "neg") return build.neg(build.div(x.inputs[0], y));
  if (y.op === "neg") return build.neg(build.div(x, y.inputs[0]));
  if (y.op === "reciprocal") return build.mul(x, y.inputs[0]);
  return y.shape.length > 0 ? scaleLast(build, x, y) : scaleDivided(build, x, y);
};

/** (x·s)/y as (x/y)·s, and (x/s)/y as (x/y)/s, for s of rank 0: scalars that come last join others. */
function scaleLast(build: Builder, x: Node, y: Node): Node | undefined {
  const scale = sameShape(x.shape, y.shape) ? scaled(build, x) : undefined;
  return scale === undefined ? undefined : scale.by(build.div(scale.x, y));
}

/** (x·s)/d as x·(s/d), and (x/s)/d as x/(s·d), for s and d of rank 0. */
function scaleDivided(build: Builder, x: Node, divisor: Node): Node | undefined {
  if ((x.op !== "mul" && x.op !== "div") || x.inputs[0].shape.length === 0) return undefined;
  const [inner, s] = x.inputs;
  if (s.shape.length > 0) return undefined;
  return x.op === "mul" ? build.mul(inner, build.div(s, divisor)) : build.div(inner, build.mul(s, divisor));
}

/** exp(−log(x)) is 1/x. */
const exp: Rule<"exp"> = (build, { inputs: [x] }) => {
  if (x.op !== "neg" || x.inputs[0].op !== "log") return undefined;
  return build.unary("reciprocal", x.inputs[0].inputs[0]);
};

const reciprocal: Rule<"reciprocal"> = (build, { inputs: [x] }) => {
  if (x.op === "reciprocal") return x.inputs[0];
  if (x.op === "neg") return build.neg(build.unary("reciprocal", x.inputs[0]));
  if (x.op === "div") return build.div(x.inputs[1], x.inputs[0]);
  if (x.op !== "mul") return undefined;
  const factor = finite(x.inputs[1]);
  if (factor === undefined || !Number.isFinite(Math.fround(1 / factor))) return undefined;
  return build.div(build.scalar(1 / factor, x.dtype), x.inputs[0]);
};

const where: Rule<"where"> = (build, node: NodeOf<"where">) => {
  const [condition, x, y] = node.inputs;
  if (condition.op === "not") return build.where(condition.inputs[0], y, x);
  if (x === y && x.shape.length === node.shape.length && condition.shape.length <= x.shape.length) {
    const full = x.shape.every((size, axis) => size === node.shape[axis]);
    return full ? x : undefined;
  }
  return undefined;
};

/** Element types whose every value another one holds. */
const LOSSLESS = new Set([
  "bool int32",
  "bool uint32",
  "bool float32",
  "bool float64",
  "float32 float64",
  "int32 float64",
]);

const cast: Rule<"cast"> = (build, { inputs: [x], dtype }) => {
  if (x.op !== "cast") return undefined;
  const [source] = x.inputs;
  return LOSSLESS.has(`${source.dtype} ${x.dtype}`) ? build.cast(source, dtype) : undefined;
};

const not: Rule<"not"> = (_, { inputs: [x] }) => (x.op === "not" ? x.inputs[0] : undefined);

/** Sums, products and quotients with fewer operations, exact but for the last bit. */
export const ALGEBRA: Rules = {
  add: [ordered, add],
  sub: [sub],
  mul: [ordered, mul],
  div: [div],
  min: [ordered],
  max: [ordered],
  neg: [neg],
  exp: [exp],
  reciprocal: [reciprocal],
  where: [where],
  cast: [cast],
  not: [not],
};
