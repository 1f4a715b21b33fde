import { type AxisPair, elementCount, type Node, type NodeOf, sameShape } from "../graph.ts";
import type { Builder } from "./builder.ts";
import { isElementwise, remade } from "./elementwise-views.ts";
import { reshapeGroups } from "./reshape-groups.ts";

/** How deep an operand is searched for something cheaper to transpose. */
const DEPTH = 4;

/**
 * The transposition of an operand that broadcasts to as many axes as the permutation has, by moving no more elements than
 * the budget allows; undefined where that cannot be.
 */
export function turned(
  build: Builder,
  node: Node,
  permutation: readonly number[],
  budget: number,
  depth = DEPTH,
): Node | undefined {
  if (node.shape.length === 0) return node;
  if (node.shape.length < permutation.length) {
    const leading = Array<number>(permutation.length - node.shape.length).fill(1);
    return turned(build, build.reshape(node, [...leading, ...node.shape]), permutation, budget, depth);
  }
  const moved = build.transpose(node, permutation);
  if (costOf(moved) <= budget) return moved;
  if (depth === 0) return undefined;
  if (node.op === "reshape") {
    return (
      turnedProduct(build, node, permutation, budget) ??
      turnedReshape(build, node, permutation, budget, depth - 1)
    );
  }
  return isElementwise(node) ? turnedElementwise(build, node, permutation, budget, depth - 1) : undefined;
}

/** Elements that a transposition moves, looking through what it was moved past. */
function costOf(node: Node): number {
  if (node.op === "transpose") return elementCount(node.shape);
  return node.op === "expand" || node.op === "reshape" ? costOf(node.inputs[0]) : 0;
}

/** An elementwise operation that is larger than everything it is made from. */
function turnedElementwise(
  build: Builder,
  node: Node,
  permutation: readonly number[],
  budget: number,
  depth: number,
): Node | undefined {
  const size = elementCount(node.shape);
  if (!node.inputs.every((input) => elementCount(input.shape) < size || isElementwise(input)))
    return undefined;
  const inputs: Node[] = [];
  for (const input of node.inputs) {
    const moved = turned(build, input, permutation, budget / node.inputs.length, depth);
    if (moved === undefined) return undefined;
    inputs.push(moved);
  }
  return remade(build, node, inputs);
}

/** A reshape that joins axes, transposed before they are joined. */
function turnedReshape(
  build: Builder,
  node: NodeOf<"reshape">,
  permutation: readonly number[],
  budget: number,
  depth: number,
): Node | undefined {
  const [source] = node.inputs;
  const groups = reshapeGroups(source.shape, node.shape);
  if (groups === undefined || groups.some(({ to }) => to.length > 1)) return undefined;
  const parts = permutation.flatMap((axis) => groups.find(({ to }) => to[0] === axis)?.from ?? []);
  const units = source.shape.flatMap((size, axis) => (size === 1 ? [axis] : []));
  const moved = turned(build, source, [...units, ...parts], budget, depth);
  const shape = permutation.map((axis) => node.shape[axis]);
  return moved === undefined ? undefined : build.reshape(moved, shape);
}

/**
 * A product of matrices whose columns were cut into several axes, as the gradient of flattened features is: with the
 * columns of its right operand in the other order.
 */
function turnedProduct(
  build: Builder,
  node: NodeOf<"reshape">,
  permutation: readonly number[],
  budget: number,
): Node | undefined {
  const [product] = node.inputs;
  if (product.op !== "contract" || product.parameters.batch.length > 0 || permutation[0] !== 0)
    return undefined;
  const [left, right] = product.inputs;
  const { summed } = product.parameters;
  const sums = summed.map(([, axis]) => axis);
  if (left.shape.length !== summed.length + 1 || right.shape.length !== summed.length + 1) return undefined;
  if (node.shape[0] !== product.shape[0] || elementCount(right.shape) > budget) return undefined;
  const own = right.shape.findIndex((_, axis) => !sums.includes(axis));
  const cut = build.reshape(right, right.shape.toSpliced(own, 1, ...node.shape.slice(1)));
  const parts = permutation.slice(1).map((axis) => own + axis - 1);
  const added = parts.length - 1;
  const order = [
    ...right.shape.slice(0, own).keys(),
    ...parts,
    ...right.shape.slice(own + 1).map((_, i) => own + 1 + i + added),
  ];
  const columns = build.reshape(build.arrange(cut, order), right.shape);
  const pairs: readonly AxisPair[] = summed;
  const turnedColumns = build.node(
    "contract",
    [left, columns],
    { batch: [], summed: pairs },
    product.shape,
    node.dtype,
  );
  const shape = permutation.map((axis) => node.shape[axis]);
  return sameShape(turnedColumns.shape, product.shape) ? build.reshape(turnedColumns, shape) : undefined;
}
