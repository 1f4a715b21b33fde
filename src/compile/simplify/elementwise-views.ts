import {
  BINARY,
  broadcastShapes,
  elementCount,
  type Node,
  type Op,
  type Shape,
  sameShape,
  UNARY,
} from "../graph.ts";
import type { Builder, Rule } from "./builder.ts";
import { inversePermutation, type ReshapeGroup, reshapeGroups, wideAxes } from "./reshape-groups.ts";

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

/** How much smaller than the result an operand must be for its rearrangement not to matter. */
const NEGLIGIBLE = 1 / 8;

function isNegligible(node: Node, size: number): boolean {
  return elementCount(node.shape) <= size * NEGLIGIBLE;
}

/** How deep an outer product may be nested in elementwise operations. */
const OUTER_DEPTH = 3;

/** An elementwise operation that is much larger than everything it is made from, as an outer product is. */
function isOuter(node: Node, size = elementCount(node.shape), depth = OUTER_DEPTH): boolean {
  if (!isElementwise(node) || depth === 0) return false;
  return node.inputs.every((input) => isNegligible(input, size) || isOuter(input, size, depth - 1));
}

/** reshape(f(x, y)) is f(reshape(x), reshape(y)) for small x and y that repeat along whole runs of axes. */
export const reshapedOuter: Rule<"reshape"> = (build, { inputs: [x], shape }) => {
  const groups = isOuter(x) ? reshapeGroups(x.shape, shape) : undefined;
  return groups === undefined ? undefined : reshapedInside(build, x, { from: x.shape, to: shape, groups });
};

interface Reshaping {
  readonly from: Shape;
  readonly to: Shape;
  readonly groups: readonly ReshapeGroup[];
}

function reshapedInside(build: Builder, node: Node, reshaping: Reshaping): Node | undefined {
  const inputs: Node[] = [];
  for (const input of node.inputs) {
    const inner = isOuter(input, elementCount(reshaping.from))
      ? reshapedInside(build, input, reshaping)
      : reshapedOperand(build, input, reshaping);
    if (inner === undefined) return undefined;
    inputs.push(inner);
  }
  return remade(build, node, inputs);
}

/** An operand that broadcasts to `from`, reshaped so that it broadcasts to `to`. */
function reshapedOperand(build: Builder, input: Node, { from, to, groups }: Reshaping): Node | undefined {
  if (input.shape.length === 0) return input;
  const leading = from.length - input.shape.length;
  const size = (axis: number) => (axis < leading ? 1 : input.shape[axis - leading]);
  const inner = new Array<number>(to.length).fill(1);
  for (const group of groups) {
    const full = group.from.map((axis) => size(axis) === from[axis]);
    if (full.every(Boolean)) for (const axis of group.to) inner[axis] = to[axis];
    else if (group.from.some((axis) => size(axis) !== 1)) return undefined;
  }
  return build.reshape(input, inner);
}

/** f(transpose(x), y) is transpose(f(x, y′)) where y is transposed likewise, or so small that y′ costs nothing. */
export const transposeLast: Rule<never> = (build: Builder, node: Node) => {
  const size = elementCount(node.shape);
  const lead = node.inputs.find((input) => input.op === "transpose" && elementCount(input.shape) === size);
  if (lead === undefined || lead.op !== "transpose") return undefined;
  const { permutation } = lead.parameters;
  if (permutation.length !== node.shape.length) return undefined;
  const inputs: Node[] = [];
  for (const input of node.inputs) {
    const moved = transposedBack(build, input, permutation, size);
    if (moved === undefined) return undefined;
    inputs.push(moved);
  }
  return build.transpose(remade(build, node, inputs), permutation);
};

function transposedBack(
  build: Builder,
  input: Node,
  permutation: readonly number[],
  size: number,
): Node | undefined {
  if (input.shape.length === 0) return input;
  if (input.op === "transpose" && sameShape(input.parameters.permutation, permutation))
    return input.inputs[0];
  if (isNegligible(input, size) || wideAxes(input.shape).length <= 1) {
    const leading = Array<number>(permutation.length - input.shape.length).fill(1);
    return build.transpose(
      build.reshape(input, [...leading, ...input.shape]),
      inversePermutation(permutation),
    );
  }
  if (!isOuter(input, size) || input.shape.length !== permutation.length) return undefined;
  const inputs = input.inputs.map((operand) => transposedBack(build, operand, permutation, size));
  return inputs.every((operand) => operand !== undefined) ? remade(build, input, inputs) : undefined;
}
