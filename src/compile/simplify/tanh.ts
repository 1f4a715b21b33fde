import type { Node } from "../graph.ts";
import { type Builder, isScalar, type Rule, type Rules } from "./builder.ts";
import { factorsOf, productOf, without } from "./factors.ts";

/**
 * jax-js computes tanh(x) as s·(e − 1)·r with the sign s = −1 where x ≥ 0 and 1 elsewhere, e = exp(2·x·s) and
 * r = 1/(e + 1), the logistic function of −2·x·s.
 */
interface Parts {
  readonly x: Node;
  readonly sign: Node;
  readonly e: Node;
  readonly r: Node;
  /** e − 1. */
  readonly less: Node;
}

/** The parts of tanh of x, from a product with its sign; not from |x| itself, one of them. */
function partsOf(build: Builder, node: Node): Parts | undefined {
  const sign = node.inputs.find((input) => input.op === "where");
  if (sign === undefined || sign.op !== "where") return undefined;
  const [condition, below, above] = sign.inputs;
  if (!isScalar(below, 1) || !isScalar(above, -1) || condition.op !== "compare") return undefined;
  const [x, zero] = condition.inputs;
  if (condition.parameters.comparison !== "less" || !isScalar(zero, 0) || node.inputs.includes(x))
    return undefined;
  const constant = (value: number) => build.scalar(value, x.dtype);
  const exponent = build.mul(build.mul(x, sign), constant(2));
  const e = build.unary("exp", exponent);
  const r = build.unary("sigmoid", build.neg(exponent));
  return { x, sign, e, r, less: build.add(e, constant(-1)) };
}

const product: Rule<"mul"> = (build, node) => {
  const parts = partsOf(build, node);
  return parts === undefined ? undefined : (value(build, node, parts) ?? derivative(build, node, parts));
};

/** s·(e − 1)·r. */
function value(build: Builder, node: Node, { x, sign, r, less }: Parts): Node | undefined {
  const { coefficient, factors } = factorsOf(node, new Set([sign, r, less]));
  const rest = without(factors, [sign, r, less]);
  return rest === undefined ? undefined : productOf(build, [...rest, build.unary("tanh", x)], coefficient);
}

/**
 * What jax-js makes of the derivative, s·2·e·(r·s − r²·(e − 1)·s): as 1 − (e − 1)·r = 2·r, s² = 1 and
 * 4·e·r² = 1 − tanh², it is 1 − tanh(x)².
 */
function derivative(build: Builder, node: Node, { x, sign, e, r, less }: Parts): Node | undefined {
  const difference = differenceIn(node, e);
  if (difference === undefined) return undefined;
  const outer = factorsOf(node, new Set([sign, e, difference]));
  const rest = without(outer.factors, [sign, e, difference]);
  const inner = commonFactor(difference, sign, r, less);
  if (rest === undefined || inner === undefined) return undefined;
  const y = build.unary("tanh", x);
  const slope = build.sub(build.scalar(1, x.dtype), build.mul(y, y));
  return productOf(build, [...rest, ...inner.factors, slope], (outer.coefficient * inner.coefficient) / 2);
}

/** A difference that is multiplied by e somewhere in a product. */
function differenceIn(node: Node, e: Node): Node | undefined {
  if (node.op !== "mul") return undefined;
  const [x, y] = node.inputs;
  if (x === e && y.op === "sub") return y;
  if (y === e && x.op === "sub") return x;
  return differenceIn(x, e) ?? differenceIn(y, e);
}

/** m for s·m·r − s·m·r²·(e − 1). */
function commonFactor(difference: Node, sign: Node, r: Node, less: Node) {
  const [first, second] = difference.inputs.map((side) => factorsOf(side, new Set([sign, r, less])));
  const left = without(first.factors, [sign, r]);
  const right = without(second.factors, [sign, r, r, less]);
  const same = left !== undefined && right !== undefined && without(left, right)?.length === 0;
  const equal = same && left.length === right.length && first.coefficient === second.coefficient;
  return equal ? { coefficient: first.coefficient, factors: left } : undefined;
}

/** tanh and its derivative, which jax-js writes with exp. */
export const TANH: Rules = { mul: [product] };
