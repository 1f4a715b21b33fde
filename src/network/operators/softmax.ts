import { sqrtUp } from "../../linalg/rounding.ts";
import { intAttribute } from "../attributes.ts";
import { bounded, type ConstantRule, unbounded } from "../constants/rule.ts";
import type { ShapeRule } from "../shapes/rule.ts";
import { elementCount, normalizeAxis, ofShape, type Shape } from "../shapes/value.ts";
import { permutedSources, sizeOf } from "./index-maps.ts";
import type { GeneralOperation } from "./operation.ts";
import { inOrder } from "./rearranged-operation.ts";
import type { OperationRule, OperatorRule, OperatorRules } from "./rule.ts";
import { hardmaxOfGroups, logSoftmaxOfGroups, softmaxOfGroups } from "./softmax-groups.ts";

const shape: ShapeRule = (op) => [ofShape(op.inputs[0]?.shape ?? null, op.inputs[0]?.dtype ?? "unknown")];

type Place = Pick<Parameters<OperationRule>[0], "node" | "opset">;

/** Axes that are normalised over: one; before operator set 13 every axis from it on. null when it is outside. */
function normalisedAxes({ node, opset }: Place, rank: number): readonly number[] | null {
  const flattens = opset < 13;
  const given = intAttribute(node, "axis") ?? (flattens ? 1 : -1);
  // Flattening may begin past the last axis: groups of one entry.
  if (flattens && given === rank) return [];
  const axis = normalizeAxis(given, rank);
  if (axis === null) return null;
  return flattens ? Array.from({ length: rank - axis }, (_, i) => axis + i) : [axis];
}

/** The number of entries normalised over together. */
function groupSize(place: Place, shape: Shape | null): number | null {
  const axes = shape && normalisedAxes(place, shape.length);
  return shape && axes && elementCount(axes.map((axis) => shape[axis]));
}

/** An operation on groups of n entries along the node's axis. */
function alongAxis(groups: (size: number, n: number) => GeneralOperation): OperationRule {
  return (binding) => {
    const x = binding.inputs[0]?.shape ?? [];
    const axes = normalisedAxes(binding, x.length);
    if (axes === null) return "its axis lies outside its input";
    const size = sizeOf(x);
    const n = sizeOf(axes.map((axis) => x[axis]));
    if (size === 0) return "its input is empty";
    const rest = Array.from(x.keys()).filter((axis) => !axes.includes(axis));
    const order = [...rest, ...axes];
    const inPlace = order.every((axis, i) => axis === i);
    return inOrder(groups(size, n), inPlace ? undefined : permutedSources(x, order));
  };
}

const half: ConstantRule = () => bounded(0.5, "softmax is ½-Lipschitz");

const rootOfSize: ConstantRule = (chain) => {
  const size = groupSize(chain, chain.scope.steadyShape(chain.node.inputs[chain.at]));
  return size === null
    ? unbounded("its constant is √d for d classes, and d is unknown")
    : bounded(sqrtUp(size), `√d for d = ${size} classes`);
};

function rule(
  constant: ConstantRule | string,
  groups: (size: number, n: number) => GeneralOperation,
): OperatorRule {
  return { shape, constant, operation: alongAxis(groups) };
}

/** Softmax, its logarithm and its limit. */
export const softmaxRules: OperatorRules = {
  Softmax: rule(half, softmaxOfGroups),
  LogSoftmax: rule(rootOfSize, logSoftmaxOfGroups),
  Hardmax: rule("it jumps, so no Lipschitz constant is finite", hardmaxOfGroups),
};
