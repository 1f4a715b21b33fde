import { intAttribute, intsAttribute, stringAttribute } from "../attributes.ts";
import type { Seen } from "../shapes/inputs.ts";
import type { ShapeRule } from "../shapes/rule.ts";
import {
  type Dim,
  isKnown,
  knownContents,
  normalizeAxis,
  ofShape,
  rowMajorStrides,
  UNKNOWN,
  unknownDims,
  withContents,
} from "../shapes/value.ts";
import { likeFirst } from "./broadcast-shape.ts";
import { isometry } from "./index-constants.ts";
import { movedOperation, otherSignal, permutedSources, seen, sizeOf } from "./index-maps.ts";
import type { OperatorRule, OperatorRules } from "./rule.ts";

/** Where each entry of the result comes from, for an input of a known shape; or why that is not known. */
type Sources = (op: Seen, shape: readonly number[]) => Int32Array | string;

/** An operator that moves each entry to at most one place. */
function moving(shape: ShapeRule, sources: Sources): OperatorRule {
  return {
    shape,
    constant: isometry,
    operation: (binding) => {
      const x = binding.inputs[0]?.shape ?? [];
      const from = otherSignal(binding) ?? sources(seen(binding), x);
      return typeof from === "string" ? from : movedOperation(from, sizeOf(x));
    },
  };
}

/** The order of the axes, or null when it is none. */
function permutation(op: Pick<Seen, "node">, rank: number): readonly number[] | null {
  const perm = intsAttribute(op.node, "perm") ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  return perm.length === rank && perm.every((_, i) => perm.includes(i)) ? perm : null;
}

const transposeShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const { shape, contents } = x;
  const given = intsAttribute(op.node, "perm");
  if (shape === null) return [ofShape(given ? unknownDims(given.length) : null, x.dtype)];
  const perm = permutation(op, shape.length);
  if (perm === null) return [ofShape(null, x.dtype)];
  const out = perm.map((p) => shape[p]);
  if (contents === undefined || !isKnown(shape)) return [ofShape(out, x.dtype)];
  const moved = Array.from(permutedSources(shape, perm), (s) => contents[s]);
  return [withContents(out, x.dtype, moved)];
};

const transpose: Sources = (op, shape) => {
  const perm = permutation(op, shape.length);
  return perm === null ? "its perm is not an order of its axes" : permutedSources(shape, perm);
};

const depthToSpaceShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const block = intAttribute(op.node, "blocksize");
  if (block === undefined || block < 1 || x.shape?.length !== 4) return [ofShape(unknownDims(4), x.dtype)];
  const [n, c, h, w] = x.shape;
  const area = block * block;
  const times = (d: Dim) => (d === null ? null : d * block);
  const channels = c === null || c % area !== 0 ? null : c / area;
  return [ofShape([n, channels, times(h), times(w)], x.dtype)];
};

/** Blocks of channels spread over space; they come first (DCR) or last (CRD) among the channels. */
const depthToSpace: Sources = ({ node }, [n, c, h, w]) => {
  const b = intAttribute(node, "blocksize") ?? 1;
  const rest = c / (b * b);
  return stringAttribute(node, "mode") === "CRD"
    ? permutedSources([n, rest, b, b, h, w], [0, 1, 4, 2, 5, 3])
    : permutedSources([n, b, b, rest, h, w], [0, 3, 4, 1, 5, 2]);
};

const spaceToDepthShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const block = intAttribute(op.node, "blocksize");
  if (block === undefined || block < 1 || x.shape?.length !== 4) return [ofShape(unknownDims(4), x.dtype)];
  const [n, c, h, w] = x.shape;
  const part = (d: Dim) => (d === null ? null : Math.floor(d / block));
  return [ofShape([n, c === null ? null : c * block * block, part(h), part(w)], x.dtype)];
};

const spaceToDepth: Sources = ({ node }, [n, c, h, w]) => {
  const b = intAttribute(node, "blocksize") ?? 1;
  if (h % b !== 0 || w % b !== 0) return `its blocks of ${b} do not divide ${h} × ${w}`;
  return permutedSources([n, c, h / b, b, w / b, b], [0, 3, 5, 1, 2, 4]);
};

/** One triangle of the last two axes; zeros in the other. */
const trilu: Sources = ({ node, inputs }, shape) => {
  const k = inputs[1] === undefined ? 0 : knownContents(inputs[1])?.[0];
  if (k === undefined) return "its diagonal is not known";
  if (shape.length < 2) return "it needs a matrix";
  const upper = intAttribute(node, "upper") !== 0;
  const [rows, cols] = shape.slice(-2);
  return Int32Array.from({ length: sizeOf(shape) }, (_, i) => {
    const above = (i % cols) - (Math.floor(i / cols) % rows) - k;
    return (upper ? above >= 0 : above <= 0) ? i : -1;
  });
};

/** The first entries along the time axis in reverse order, as many as the batch entry's length says. */
const reverseSequence: Sources = ({ node, inputs }, shape) => {
  const lengths = knownContents(inputs[1]);
  const time = normalizeAxis(intAttribute(node, "time_axis") ?? 0, shape.length);
  const batch = normalizeAxis(intAttribute(node, "batch_axis") ?? 1, shape.length);
  if (lengths === undefined || time === null || batch === null) return "its lengths or axes are not known";
  const strides = rowMajorStrides(shape);
  return Int32Array.from({ length: sizeOf(shape) }, (_, i) => {
    const t = Math.floor(i / strides[time]) % shape[time];
    const length = lengths[Math.floor(i / strides[batch]) % shape[batch]];
    return t < length ? i + (length - 1 - 2 * t) * strides[time] : i;
  });
};

/** Operators that put each entry in another place, or drop it. */
export const permuteRules: OperatorRules = {
  Transpose: moving(transposeShape, transpose),
  DepthToSpace: moving(depthToSpaceShape, depthToSpace),
  SpaceToDepth: moving(spaceToDepthShape, spaceToDepth),
  Trilu: moving(likeFirst, trilu),
  ReverseSequence: moving(likeFirst, reverseSequence),
};
