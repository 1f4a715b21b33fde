import { isFloatType } from "../../formats/dtype.ts";
import { intAttribute, stringAttribute } from "../attributes.ts";
import {
  bounded,
  type ChainNode,
  type Constant,
  type ConstantRule,
  rootUp,
  unbounded,
} from "../constants/rule.ts";
import { isKnown, normalizeAxis } from "../shapes/value.ts";
import { likeFirst } from "./broadcast-shape.ts";
import { integersOf } from "./index-constants.ts";
import { most, occurrences, sizeOf } from "./index-maps.ts";
import type { LinearPart } from "./operation.ts";
import { identityPart, movedPart, scaledPart } from "./parts.ts";
import type {
  Binding,
  BoundInput,
  JoinNode,
  JoinRule,
  OperationRule,
  OperatorRule,
  OperatorRules,
} from "./rule.ts";
import { elementPositions, tuplePositions } from "./select-index.ts";
import { summedPart } from "./sum-parts.ts";

/** Where each update goes in the data, or why that is not known. */
type Positions = (
  node: ChainNode["node"],
  shape: readonly number[],
  indices: BoundInput,
) => Int32Array | string;

const elements: Positions = (node, shape, indices) => {
  const axis = normalizeAxis(intAttribute(node, "axis") ?? 0, shape.length);
  return axis === null ? "its axis lies outside its rank" : elementPositions(shape, axis, indices);
};

const tuples: Positions = (_, shape, indices) => tuplePositions(shape, indices, 0);

const reductionOf = (node: ChainNode["node"]) => stringAttribute(node, "reduction") ?? "none";

const KEPT = "each entry is kept or replaced";

/** How often several updates are added to one entry; null when unknown. */
async function mostAdded({ node, scope }: Pick<ChainNode, "node" | "scope">, positions: Positions) {
  const data = await integersOf(scope, node.inputs[1] ?? "");
  const indices = scope.value(node.inputs[1] ?? "").shape;
  const into = scope.value(node.inputs[0] ?? "").shape;
  if (data === null || !isKnown(indices) || !isKnown(into)) return null;
  const found = positions(node, into, { shape: indices, dtype: "int64", data: Float64Array.from(data) });
  return typeof found === "string" ? null : most(occurrences(found, sizeOf(into)));
}

const factorsUnknown = (reduction: string) =>
  `reduction "${reduction}" has no rule; only "none" and "add" have constants`;

/** Without a reduction the last of several updates wins; entries that are added up count by their number. */
async function constantOf(chain: ChainNode, positions: Positions): Promise<Constant> {
  const reduction = reductionOf(chain.node);
  if (chain.at === 1) return unbounded("where it puts entries depends on the input, so it may jump");
  if (reduction === "none") return bounded(1, KEPT);
  if (reduction !== "add") return unbounded(factorsUnknown(reduction));
  if (chain.at === 0) return bounded(1, "a constant is added");
  const added = await mostAdded(chain, positions);
  return added === null
    ? unbounded("how many updates are added to one entry is unknown")
    : bounded(rootUp(added), `up to ${added} updates are added to one entry`);
}

async function joinOf(join: JoinNode, positions: Positions) {
  const reduction = reductionOf(join.node);
  if (join.signals.includes(1)) {
    return { unbounded: "where it puts entries depends on the input, so it may jump" };
  }
  if (reduction === "none") return { constants: [1, 1], join: "euclidean" as const, because: KEPT };
  const added = reduction === "add" ? await mostAdded(join, positions) : null;
  return added === null
    ? { unbounded: factorsUnknown(reduction) }
    : { constants: [1, rootUp(added)], join: "sum" as const, because: "updates are added" };
}

/** The last update at each entry, −1 where there is none. */
function lastUpdates(positions: Int32Array, size: number): Int32Array {
  const last = new Int32Array(size).fill(-1);
  positions.forEach((at, i) => {
    last[at] = i;
  });
  return last;
}

function replaced(binding: Binding, positions: Int32Array): ReturnType<OperationRule> {
  const [data, , updates] = binding.inputs as readonly BoundInput[];
  const size = sizeOf(data.shape);
  const winners = lastUpdates(positions, size);
  const kept = winners.map((w, i) => (w < 0 ? i : -1));
  const parts = new Map<number, LinearPart>([
    [0, movedPart(kept, size)],
    [2, movedPart(winners, positions.length)],
  ]);
  const offset = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    offset[i] = winners[i] < 0 ? (data.data?.[i] ?? 0) : (updates.data?.[winners[i]] ?? 0);
  }
  return operationOf(binding, parts, offset);
}

function added(binding: Binding, positions: Int32Array): ReturnType<OperationRule> {
  const [data, , updates] = binding.inputs as readonly BoundInput[];
  const size = sizeOf(data.shape);
  const parts = new Map<number, LinearPart>([
    [0, identityPart(size)],
    [2, summedPart(positions, size)],
  ]);
  const offset = data.data?.slice() ?? new Float64Array(size);
  const sums = updates.data;
  if (sums === undefined) return operationOf(binding, parts, offset);
  const several = most(occurrences(positions, size));
  const magnitude = offset.map(Math.abs);
  positions.forEach((at, i) => {
    offset[at] += sums[i];
    magnitude[at] += Math.abs(sums[i]);
  });
  const operation = operationOf(binding, parts, offset);
  // The magnitudes were rounded as often themselves.
  return several === 1
    ? operation
    : { ...operation, offsetRoundings: 2 * several, offsetMagnitude: magnitude };
}

/** Constant factors on entries of the data. */
function multiplied(binding: Binding, positions: Int32Array): ReturnType<OperationRule> {
  const [data, , updates] = binding.inputs as readonly BoundInput[];
  if (updates.data === undefined) return "a product of two signals";
  const size = sizeOf(data.shape);
  if (most(occurrences(positions, size)) > 1 && isFloatType(data.dtype))
    return "several factors meet in one entry";
  const factors = new Float64Array(size).fill(1);
  positions.forEach((at, i) => {
    factors[at] *= updates.data![i];
  });
  const sources = Int32Array.from({ length: size }, (_, i) => i);
  return { kind: "affine", parts: [scaledPart(sources, factors, size, 0)] };
}

function operationOf(binding: Binding, parts: ReadonlyMap<number, LinearPart>, offset: Float64Array) {
  const own = binding.signals.map((i) => parts.get(i)).filter((part) => part !== undefined);
  return { kind: "affine" as const, parts: own, ...(offset.some((v) => v !== 0) ? { offset } : {}) };
}

function scattering(positions: Positions): OperatorRule {
  const operation: OperationRule = (binding) => {
    const [data, indices, updates] = binding.inputs;
    if (data === undefined || indices === undefined || updates === undefined) return "an input is missing";
    if (binding.signals.includes(1)) return "where it puts entries depends on the network's input";
    const found = positions(binding.node, data.shape, indices);
    if (typeof found === "string") return found;
    const reduction = reductionOf(binding.node);
    if (reduction === "none") return replaced(binding, found);
    if (reduction === "add") return added(binding, found);
    return reduction === "mul" ? multiplied(binding, found) : `reduction "${reduction}" is not covered`;
  };
  const constant: ConstantRule = (chain) => constantOf(chain, positions);
  const join: JoinRule = (node) => joinOf(node, positions);
  return { shape: likeFirst, constant, anyInput: true, join, operation };
}

/** Operators that write entries at given indices. */
export const scatterRules: OperatorRules = {
  ScatterElements: scattering(elements),
  Scatter: scattering(elements),
  ScatterND: scattering(tuples),
  TensorScatter: { shape: likeFirst },
};
