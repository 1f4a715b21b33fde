import { BINARY, broadcastShapes, type Node, type Op, type Shape, sameShape, UNARY } from "../graph.ts";
import type { Builder, Rule } from "./builder.ts";

/** Operations that treat every element alike, whatever its place. */
export const ELEMENTWISE = [
  ...UNARY,
  ...BINARY,
  "compare",
  "bitCombine",
  "bitShift",
  "where",
  "leakyRelu",
  "clip",
  "cast",
  "bitcast",
] as const satisfies readonly Op[];

const NAMES: ReadonlySet<Op> = new Set(ELEMENTWISE);

export function isElementwise(node: Node): boolean {
  return NAMES.has(node.op);
}

/** The same elementwise operation of other operands. */
export function remade(build: Builder, node: Node, inputs: readonly Node[]): Node {
  const shape = broadcastShapes(inputs.map((input) => input.shape));
  return build.node(node.op, inputs, node.parameters as never, shape, node.dtype);
}

/** Computes before repeating: f(expand(x), y) is expand(f(x, y)), or f(x, y) where y has the full shape. */
export const expandLast: Rule<never> = (build: Builder, node: Node) => {
  if (!node.inputs.some((input) => input.op === "expand")) return undefined;
  const cores = node.inputs.map((input) => (input.op === "expand" ? input.inputs[0] : input));
  return build.expand(remade(build, node, cores), node.shape);
};

/** Drops axes of size 1 that were put in front of an operand: broadcasting puts them back. */
export const leadingAxesDropped: Rule<never> = (build: Builder, node: Node) => {
  const inputs = node.inputs.map(withoutLeadingAxes);
  if (inputs.every((input, i) => input === node.inputs[i])) return undefined;
  return build.reshape(remade(build, node, inputs), node.shape);
};

function withoutLeadingAxes(node: Node): Node {
  if (node.op !== "reshape") return node;
  const [source] = node.inputs;
  const added = node.shape.length - source.shape.length;
  const leads = added > 0 && node.shape.slice(0, added).every((size) => size === 1);
  return leads && sameShape(node.shape.slice(added), source.shape) ? source : node;
}

/** f(reshape(x), reshape(y)) is reshape(f(x, y)) for x and y of one shape. */
export const reshapeLast: Rule<never> = (build: Builder, node: Node) => {
  const shaped = node.inputs.filter((input) => input.shape.length > 0);
  const source = shaped.length === 0 ? undefined : reshapedFrom(shaped[0]);
  if (source === undefined) return undefined;
  const alike = (input: Node) => {
    const from = reshapedFrom(input);
    return from !== undefined && sameShape(from, source) && sameShape(input.shape, node.shape);
  };
  if (!shaped.every(alike)) return undefined;
  const inputs = node.inputs.map((input) => (input.shape.length > 0 ? input.inputs[0] : input));
  return build.reshape(remade(build, node, inputs), node.shape);
};

function reshapedFrom(node: Node): Shape | undefined {
  return node.op === "reshape" ? node.inputs[0].shape : undefined;
}
