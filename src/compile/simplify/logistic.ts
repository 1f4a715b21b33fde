import type { Node } from "../graph.ts";
import { type Builder, isScalar, type Rule, type Rules } from "./builder.ts";
import { factorsOf, productOf, without } from "./factors.ts";

/** x for 1 + exp(x). */
function onePlusExp(node: Node): Node | undefined {
  if (node.op !== "add" || !isScalar(node.inputs[1], 1)) return undefined;
  const [e] = node.inputs;
  return e.op === "exp" ? e.inputs[0] : undefined;
}

/** 1/(1 + exp(x)) is the logistic function σ of −x. */
const sigmoid: Rule<"reciprocal"> = (build, { inputs: [x] }) => {
  const exponent = onePlusExp(x);
  return exponent === undefined ? undefined : build.unary("sigmoid", build.neg(exponent));
};

/** log(1 + exp(x)), which must not overflow. */
const softplus: Rule<"log"> = (build, { inputs: [x], dtype }) => {
  const exponent = dtype === "float32" ? onePlusExp(x) : undefined;
  return exponent === undefined ? undefined : build.unary("softplus", exponent);
};

/**
 * exp(x)·σ(−x) is σ(x): so the derivatives of the logistic function, σ(x)·σ(x)·exp(−x), and of softplus, σ(−x)·exp(x),
 * come out of jax-js.
 */
const product: Rule<"mul"> = (build, node) => {
  for (const e of exponentials(node)) {
    const [exponent] = e.inputs;
    const opposite = build.unary("sigmoid", build.neg(exponent));
    const { coefficient, factors } = factorsOf(node, new Set([e, opposite]));
    const rest = without(factors, [e, opposite]);
    if (rest === undefined) continue;
    return productOf(build, [...rest, same(build, exponent, opposite, rest)], coefficient);
  }
  return undefined;
};

/** σ(x), as 1 − σ(−x) where σ(−x) is needed anyway. */
function same(build: Builder, exponent: Node, opposite: Node, rest: readonly Node[]): Node {
  return rest.includes(opposite)
    ? build.sub(build.scalar(1, exponent.dtype), opposite)
    : build.unary("sigmoid", exponent);
}

/** Exponentials that are an operand of a product, or of a product that is one. */
function exponentials({ inputs }: Node): Node[] {
  const nested = inputs.flatMap((input) => (input.op === "mul" || input.op === "neg" ? input.inputs : []));
  return [...inputs, ...nested].filter((node) => node.op === "exp");
}

/** The logistic function and softplus, which jax-js writes with exp, and their derivatives. */
export const LOGISTIC: Rules = { reciprocal: [sigmoid], log: [softplus], mul: [product] };
