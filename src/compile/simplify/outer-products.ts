import { elementCount, type Node, type Shape } from "../graph.ts";
import type { Builder, Rule, Rules } from "./builder.ts";
import { isElementwise, remade } from "./elementwise-views.ts";
import { type ReshapeGroup, reshapeGroups } from "./reshape-groups.ts";
import { turned } from "./turned.ts";

/** How much smaller than the result an operand is that counts as small. */
const SMALL = 1 / 8;

function isSmall(node: Node, size: number): boolean {
  return elementCount(node.shape) <= size * SMALL;
}

/** How deep an outer product may be nested in elementwise operations. */
const OUTER_DEPTH = 3;

/** An elementwise operation that is much larger than everything it is made from, as an outer product is. */
export function isOuter(node: Node, size = elementCount(node.shape), depth = OUTER_DEPTH): boolean {
  if (!isElementwise(node) || depth === 0) return false;
  return node.inputs.every((input) => isSmall(input, size) || isOuter(input, size, depth - 1));
}

/** reshape(f(x, y)) is f(reshape(x), reshape(y)) for small x and y that repeat along whole runs of axes. */
const reshape: Rule<"reshape"> = (build, { inputs: [x], shape }) => {
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

/** transpose(f(x, y)) is f(transpose(x), transpose(y)) for small x and y. */
const transpose: Rule<"transpose"> = (build, { inputs: [x], parameters: { permutation } }) =>
  isOuter(x) ? turned(build, x, permutation, elementCount(x.shape) * SMALL) : undefined;

/** Outer products and the like are rearranged by rearranging what they are made from. */
export const OUTER_PRODUCTS: Rules = { reshape: [reshape], transpose: [transpose] };
