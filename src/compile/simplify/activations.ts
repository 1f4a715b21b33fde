import type { Node } from "../graph.ts";
import { type Builder, isScalar, type Rule, type Rules } from "./builder.ts";

/** The operand of −x, however it is written. */
function negated(build: Builder, x: Node): Node {
  return build.neg(x);
}

function scalarValue(node: Node): number | undefined {
  return node.op === "scalar" ? node.parameters.value : undefined;
}

/** x for 1 + exp(x). */
function onePlusExp(node: Node): Node | undefined {
  if (node.op !== "add" || !isScalar(node.inputs[1], 1)) return undefined;
  const [e] = node.inputs;
  return e.op === "exp" ? e.inputs[0] : undefined;
}

/** 1/(1 + exp(x)) is the logistic function of −x. */
const sigmoid: Rule<"reciprocal"> = (build, { inputs: [x] }) => {
  const exponent = onePlusExp(x);
  return exponent === undefined ? undefined : build.unary("sigmoid", negated(build, exponent));
};

/** log(1 + exp(x)), which must not overflow. */
const softplus: Rule<"log"> = (build, { inputs: [x], dtype }) => {
  const exponent = dtype === "float32" ? onePlusExp(x) : undefined;
  return exponent === undefined ? undefined : build.unary("softplus", exponent);
};

/** max(x, 0) is ReLU, and min(max(x, low), high) a clip. */
const relu: Rule<"max"> = (build, { inputs: [x, y], dtype }) =>
  isScalar(y, 0) && dtype === "float32" ? build.unary("relu", x) : undefined;

const clip: Rule<"min"> = (build, { inputs: [x, y], shape, dtype }) => {
  const high = scalarValue(y);
  if (high === undefined || !dtype.startsWith("float")) return undefined;
  const [inner, low] =
    x.op === "relu"
      ? [x.inputs[0], 0]
      : x.op === "max"
        ? [x.inputs[0], scalarValue(x.inputs[1])]
        : [x, undefined];
  if (low === undefined || low > high) return undefined;
  return build.node("clip", [inner], { low, high }, shape, dtype);
};

/** x·slope where x < 0 and x elsewhere, in either order of the branches; |x| where the slope is −1. */
const leakyRelu: Rule<"where"> = (build, { inputs: [condition, a, b], shape, dtype }) => {
  if (condition.op !== "compare" || condition.parameters.comparison !== "less" || dtype !== "float32")
    return undefined;
  const [low, high] = condition.inputs;
  const [x, below, above] = isScalar(high, 0) ? [low, a, b] : isScalar(low, 0) ? [high, b, a] : [];
  if (x === undefined || above !== x || x.shape.length !== shape.length) return undefined;
  if (below?.op === "neg" && below.inputs[0] === x) return build.unary("abs", x);
  if (below?.op !== "mul" || below.inputs[0] !== x) return undefined;
  const slope = scalarValue(below.inputs[1]);
  return slope === undefined || !Number.isFinite(slope)
    ? undefined
    : build.node("leakyRelu", [x], { slope }, shape, dtype);
};

/** exp(x)·sigmoid(−x) is sigmoid(x): derivatives of the logistic function and of softplus are written so. */
const logisticProduct: Rule<"mul"> = (build, { inputs: [x, y] }) => {
  return withLogistic(build, x, y) ?? withLogistic(build, y, x);
};

function withLogistic(build: Builder, e: Node, product: Node): Node | undefined {
  if (e.op === "mul") {
    // The exponential may be inside the other product.
    for (const [factor, rest] of [e.inputs, [e.inputs[1], e.inputs[0]]]) {
      if (factor.op !== "exp") continue;
      const joined = withLogistic(build, factor, product);
      if (joined !== undefined) return build.mul(joined, rest);
    }
    return undefined;
  }
  if (e.op !== "exp") return undefined;
  const [exponent] = e.inputs;
  const opposite = negated(build, exponent);
  return replacedFactor(build, product, (factor) => {
    if (factor.op !== "sigmoid" || factor.inputs[0] !== opposite) return undefined;
    // Where the logistic function itself is at hand, 1 − σ(x) costs less than σ(−x).
    if (exponent.op !== "neg" && !(exponent.op === "mul" && opposite.op !== "mul")) {
      return opposite.op === "neg" ? build.unary("sigmoid", exponent) : oneMinus(build, factor);
    }
    return oneMinus(build, factor);
  });
}

function oneMinus(build: Builder, x: Node): Node {
  return build.sub(build.scalar(1, x.dtype), x);
}

/** How deep a product is searched for a factor. */
const DEPTH = 4;

/** The product with one factor replaced, or nothing where none is to be. */
function replacedFactor(
  build: Builder,
  product: Node,
  replace: (factor: Node) => Node | undefined,
  depth = DEPTH,
): Node | undefined {
  const replaced = replace(product);
  if (replaced !== undefined || depth === 0) return replaced;
  if (product.op === "neg") {
    const inner = replacedFactor(build, product.inputs[0], replace, depth - 1);
    return inner === undefined ? undefined : build.neg(inner);
  }
  if (product.op !== "mul") return undefined;
  for (const [factor, rest] of [product.inputs, [product.inputs[1], product.inputs[0]]]) {
    const inner = replacedFactor(build, factor, replace, depth - 1);
    if (inner !== undefined) return build.mul(inner, rest);
  }
  return undefined;
}

/** Activations that jax-js writes out in simpler operations, as the one operation they are. */
export const ACTIVATIONS: Rules = {
  reciprocal: [sigmoid],
  log: [softplus],
  max: [relu],
  min: [clip],
  where: [leakyRelu],
  mul: [logisticProduct],
};
