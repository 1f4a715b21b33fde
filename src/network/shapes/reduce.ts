import { intAttribute, intsAttribute } from "../attributes.ts";
import { type Application, rulesFor, type ShapeRule, type ShapeRules } from "./rule.ts";
import {
  type Dim,
  knownContents,
  normalizeAxes,
  normalizeAxis,
  ofShape,
  type Shape,
  UNKNOWN,
  unknownDims,
  type Value,
  withContents,
} from "./value.ts";

/**
 * Axes a reduction removes: an attribute in older operator sets, an input in newer ones; all where none are named
 * (none at all with `noop_with_empty_axes`). null when unknown.
 */
export function reducedAxes(
  op: Pick<Application, "node" | "inputs">,
  rank: number,
): readonly number[] | null {
  const attribute = intsAttribute(op.node, "axes");
  const input = op.inputs[1];
  const given = attribute ?? (input === undefined ? [] : knownContents(input));
  if (given === undefined) return null;
  if (given.length > 0) return normalizeAxes(given, rank);
  return intAttribute(op.node, "noop_with_empty_axes") === 1 ? [] : Array.from({ length: rank }, (_, i) => i);
}

function without(shape: Shape, axes: readonly number[], keep: boolean): Shape {
  return keep ? shape.map((d, i) => (axes.includes(i) ? 1 : d)) : shape.filter((_, i) => !axes.includes(i));
}

function reduce(fold?: (xs: readonly number[]) => number): ShapeRule {
  return (op) => {
    const x = op.inputs[0] ?? UNKNOWN;
    if (x.shape === null) return [ofShape(null, x.dtype)];
    const keep = intAttribute(op.node, "keepdims") !== 0;
    const axes = reducedAxes(op, x.shape.length);
    if (axes === null) return [ofShape(keep ? unknownDims(x.shape.length) : null, x.dtype)];
    const known = knownContents(x);
    const all = axes.length === x.shape.length && known !== undefined && fold !== undefined;
    return [withContents(without(x.shape, axes, keep), x.dtype, all ? [fold(known)] : undefined)];
  };
}

const argument: ShapeRule = (op) => {
  const { shape } = op.inputs[0] ?? UNKNOWN;
  const axis = shape === null ? null : normalizeAxis(intAttribute(op.node, "axis") ?? 0, shape.length);
  if (shape === null || axis === null) return [ofShape(null, "int64")];
  return [ofShape(without(shape, [axis], intAttribute(op.node, "keepdims") !== 0), "int64")];
};

/** [N, C] of a batch-normalised value, for the statistics outputs of training mode. */
function channelVector(x: Value): Shape {
  const channels: Dim = x.shape?.[1] ?? null;
  return [channels];
}

/** Layer normalisation: the statistics keep the leading axes. */
const layerNormalization: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const axis = x.shape === null ? null : normalizeAxis(intAttribute(op.node, "axis") ?? -1, x.shape.length);
  const kept = axis === null ? null : x.shape!.map((d, i) => (i < axis ? d : 1));
  return [ofShape(x.shape, x.dtype), ofShape(kept, "float32"), ofShape(kept, "float32")];
};

/** Reductions along axes. */
export const reduceRules: ShapeRules = {
  ...rulesFor(
    ["ReduceMean", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"],
    reduce(),
  ),
  ReduceSum: reduce((xs) => xs.reduce((a, b) => a + b, 0)),
  ReduceProd: reduce((xs) => xs.reduce((a, b) => a * b, 1)),
  ReduceMax: reduce((xs) => xs.reduce((a, b) => Math.max(a, b))),
  ReduceMin: reduce((xs) => xs.reduce((a, b) => Math.min(a, b))),
  ...rulesFor(["ArgMax", "ArgMin"], argument),
};

/** Normalisations, softmax and dropout: the shape stays. */
export const normalizationRules: ShapeRules = {
  ...rulesFor(
    [
      ..."Softmax LogSoftmax Hardmax LRN LpNormalization MeanVarianceNormalization InstanceNormalization".split(
        " ",
      ),
      ..."GroupNormalization GroupNorm RMSNormalization SkipLayerNormalization".split(" "),
      ..."SkipSimplifiedLayerNormalization RotaryEmbedding".split(" "),
    ],
    (op) => [ofShape(op.inputs[0]?.shape ?? null, op.inputs[0]?.dtype ?? "unknown")],
  ),
  ...rulesFor(["LayerNormalization", "SimplifiedLayerNormalization"], layerNormalization),
  BatchNormalization: (op) => {
    const x = op.inputs[0] ?? UNKNOWN;
    return [ofShape(x.shape, x.dtype), ...[1, 2, 3, 4].map(() => ofShape(channelVector(x), x.dtype))];
  },
  Dropout: (op) => {
    const x = op.inputs[0] ?? UNKNOWN;
    return [x, ofShape(x.shape, "bool")];
  },
};
