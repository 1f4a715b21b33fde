import type { Node } from "../graph.ts";
import type { Builder } from "./builder.ts";

/** A product taken apart: a constant and factors that stay whole. */
export interface Factors {
  readonly coefficient: number;
  readonly factors: readonly Node[];
}

/** How deep a product is searched. */
const DEPTH = 6;

/**
 * The factors of a product, through signs and constants, where some of them are wanted; operands without any wanted factor
 * stay whole, so that what is computed anyway is not computed otherwise.
 */
export function factorsOf(node: Node, wanted: ReadonlySet<Node>, depth = DEPTH): Factors {
  const whole = { coefficient: 1, factors: [node] };
  if (wanted.has(node) || depth === 0) return whole;
  if (node.op === "neg") {
    const inner = factorsOf(node.inputs[0], wanted, depth - 1);
    return { ...inner, coefficient: -inner.coefficient };
  }
  if (node.op !== "mul") return whole;
  const [x, y] = node.inputs;
  if (y.op === "scalar") {
    const inner = factorsOf(x, wanted, depth - 1);
    return { ...inner, coefficient: inner.coefficient * y.parameters.value };
  }
  const parts = [x, y].map((operand) => factorsOf(operand, wanted, depth - 1));
  const factors = parts.flatMap((part) => part.factors);
  if (!factors.some((factor) => wanted.has(factor))) return whole;
  return { coefficient: parts[0].coefficient * parts[1].coefficient, factors };
}

/** The factors without some of them, each as often as it is listed; undefined where one is missing. */
export function without(factors: readonly Node[], removed: readonly Node[]): Node[] | undefined {
  const rest = [...factors];
  for (const factor of removed) {
    const place = rest.indexOf(factor);
    if (place === -1) return undefined;
    rest.splice(place, 1);
  }
  return rest;
}

/** The product of factors and a constant. */
export function productOf(build: Builder, factors: readonly Node[], coefficient: number): Node {
  const product = factors.reduce((x, y) => build.mul(x, y));
  return coefficient === 1 ? product : build.mul(product, build.scalar(coefficient, product.dtype));
}
