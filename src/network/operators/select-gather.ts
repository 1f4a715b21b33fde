import { intAttribute } from "../attributes.ts";
import { type ChainNode, type Constant, type ConstantRule, unbounded } from "../constants/rule.ts";
import type { ShapeRule } from "../shapes/rule.ts";
import { isKnown, normalizeAxis, ofShape, UNKNOWN, withContents } from "../shapes/value.ts";
import { copied, integersOf } from "./index-constants.ts";
import { most, movedOperation, occurrences, otherSignal, sizeOf } from "./index-maps.ts";
import type { BoundInput, OperationRule, OperatorRule, OperatorRules } from "./rule.ts";
import { elementPositions, slicePositions, tuplePositions } from "./select-index.ts";

const gatherShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const indices = op.inputs[1] ?? UNKNOWN;
  if (x.shape === null || indices.shape === null) return [ofShape(null, x.dtype)];
  const axis = normalizeAxis(intAttribute(op.node, "axis") ?? 0, x.shape.length);
  if (axis === null) return [ofShape(null, x.dtype)];
  const out = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
  const { contents } = x;
  const size = x.shape[axis];
  if (contents === undefined || x.shape.length !== 1 || size === null) return [ofShape(out, x.dtype)];
  const picked = indices.contents?.map((i) => (i === null ? null : (contents[i < 0 ? i + size : i] ?? null)));
  return [withContents(out, x.dtype, picked)];
};

const gatherNdShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const indices = op.inputs[1]?.shape ?? null;
  const depth = indices?.at(-1) ?? null;
  if (x.shape === null || indices === null || depth === null) return [ofShape(null, x.dtype)];
  const batch = intAttribute(op.node, "batch_dims") ?? 0;
  return [ofShape([...indices.slice(0, -1), ...x.shape.slice(batch + depth)], x.dtype)];
};

const WHICH = "which entries it copies is unknown";

/** Along an axis of unknown size, indices from the front and from the back may or may not meet. */
const gatherConstant: ConstantRule = async ({ node, scope, input }) => {
  const indices = await integersOf(scope, node.inputs[1] ?? "");
  if (indices === null) return unbounded(WHICH);
  const axis = normalizeAxis(intAttribute(node, "axis") ?? 0, input.shape?.length ?? 0);
  const size = axis === null ? null : input.shape![axis];
  const all = Array.from(indices);
  if (size === null && all.some((i) => i < 0) && all.some((i) => i >= 0)) return unbounded(WHICH);
  return copied(mostFrequent(all.map((i) => (i < 0 && size !== null ? i + size : i))));
};

function mostFrequent(indices: readonly number[]): number {
  const counts = new Map<number, number>();
  let largest = 1;
  for (const i of indices) {
    const count = (counts.get(i) ?? 0) + 1;
    counts.set(i, count);
    largest = Math.max(largest, count);
  }
  return largest;
}

/** Which position of the input each entry of the output is, or why that is not known. */
type Positions = (
  node: ChainNode["node"],
  shape: readonly number[],
  indices: BoundInput,
) => Int32Array | string;

async function copiesOf({ node, scope, input }: ChainNode, positions: Positions): Promise<Constant> {
  const name = node.inputs[1] ?? "";
  const { shape } = scope.value(name);
  const data = await integersOf(scope, name);
  if (data === null || !isKnown(shape)) return unbounded(WHICH);
  if (!isKnown(input.shape)) return unbounded(`${WHICH}; give the input sizes`);
  const found = positions(node, input.shape, { shape, dtype: "int64", data: Float64Array.from(data) });
  return typeof found === "string" ? unbounded(found) : copied(most(occurrences(found, sizeOf(input.shape))));
}

function gathering(shape: ShapeRule, positions: Positions, constant?: ConstantRule): OperatorRule {
  const operation: OperationRule = (binding) => {
    const [x, indices] = binding.inputs;
    const other = otherSignal(binding);
    if (other !== undefined || x === undefined || indices === undefined)
      return other ?? "an input is missing";
    const found = positions(binding.node, x.shape, indices);
    return typeof found === "string" ? found : movedOperation(found, sizeOf(x.shape));
  };
  return { shape, constant: constant ?? ((chain) => copiesOf(chain, positions)), operation };
}

const slices: Positions = (node, shape, { data }) => {
  const axis = normalizeAxis(intAttribute(node, "axis") ?? 0, shape.length);
  return axis === null || data === undefined
    ? "its axis or indices are not known"
    : slicePositions(shape, axis, data);
};

const elements: Positions = (node, shape, indices) => {
  const axis = normalizeAxis(intAttribute(node, "axis") ?? 0, shape.length);
  return axis === null ? "its axis lies outside its rank" : elementPositions(shape, axis, indices);
};

const tuples: Positions = (node, shape, indices) =>
  tuplePositions(shape, indices, intAttribute(node, "batch_dims") ?? 0);

/** Operators that read entries at given indices. */
export const gatherRules: OperatorRules = {
  Gather: gathering(gatherShape, slices, gatherConstant),
  GatherElements: gathering(
    (op) => [ofShape(op.inputs[1]?.shape ?? null, op.inputs[0]?.dtype ?? "unknown")],
    elements,
  ),
  GatherND: gathering(gatherNdShape, tuples),
};
