import { type Node, sameShape } from "../graph.ts";
import { type Builder, isScalar, type Rule, type Rules } from "./builder.ts";

function scalarValue(node: Node): number | undefined {
  return node.op === "scalar" ? node.parameters.value : undefined;
}

/** max(min(x, high), low) is a clip, and max(x, 0) ReLU. */
const max: Rule<"max"> = (build, { inputs: [x, y], dtype }) => {
  const low = scalarValue(y);
  const high = x.op === "min" ? scalarValue(x.inputs[1]) : undefined;
  if (low !== undefined && high !== undefined) return clipped(build, x.inputs[0], low, high);
  return low === 0 && dtype === "float32" ? build.unary("relu", x) : undefined;
};

/** min(max(x, low), high) is a clip. */
const min: Rule<"min"> = (build, { inputs: [x, y] }) => {
  const high = scalarValue(y);
  const low = x.op === "relu" ? 0 : x.op === "max" ? scalarValue(x.inputs[1]) : undefined;
  return low !== undefined && high !== undefined ? clipped(build, x.inputs[0], low, high) : undefined;
};

function clipped(build: Builder, x: Node, low: number, high: number): Node | undefined {
  const ordered = low <= high && x.dtype.startsWith("float");
  return ordered ? build.node("clip", [x], { low, high }, x.shape, x.dtype) : undefined;
}

/** x·slope where x < 0 and x elsewhere, in either order of the branches; |x| where the slope is −1. */
const leakyRelu: Rule<"where"> = (build, { inputs: [condition, a, b], shape, dtype }) => {
  if (condition.op !== "compare" || condition.parameters.comparison !== "less" || dtype !== "float32") {
    return undefined;
  }
  const [low, high] = condition.inputs;
  const [x, below, above] = isScalar(high, 0) ? [low, a, b] : isScalar(low, 0) ? [high, b, a] : [];
  if (x === undefined || below === undefined || above !== x || x.shape.length !== shape.length)
    return undefined;
  if (below.op === "neg" && below.inputs[0] === x) return build.unary("abs", x);
  const slope = below.op === "mul" && below.inputs[0] === x ? scalarValue(below.inputs[1]) : undefined;
  return slope === undefined || !Number.isFinite(slope)
    ? undefined
    : build.node("leakyRelu", [x], { slope }, shape, dtype);
};

/** where(c, g·slope, g) is g·where(c, slope, 1): the derivative of a leaky ReLU, with a cheaper choice. */
const slopeChosen: Rule<"where"> = (build, { inputs: [condition, a, b], dtype }) => {
  const one = build.scalar(1, dtype);
  const below = slopeOf(a, b);
  if (below !== undefined) return build.mul(b, build.where(condition, below, one));
  const above = slopeOf(b, a);
  return above === undefined ? undefined : build.mul(a, build.where(condition, one, above));
};

/** The constant c where x is y·c, or both are the same reshape of such. */
function slopeOf(x: Node, y: Node): Node | undefined {
  if (!sameShape(x.shape, y.shape)) return undefined;
  if (x.op === "reshape" && y.op === "reshape") return slopeOf(x.inputs[0], y.inputs[0]);
  return x.op === "mul" && x.inputs[0] === y && x.inputs[1].op === "scalar" ? x.inputs[1] : undefined;
}

/** Activations that jax-js writes out as choices, as the one operation they are. */
export const ACTIVATIONS: Rules = { max: [max], min: [min], where: [leakyRelu, slopeChosen] };
