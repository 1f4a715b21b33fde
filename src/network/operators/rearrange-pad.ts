import { floatAttribute, intsAttribute, stringAttribute } from "../attributes.ts";
import { bounded, type ConstantRule, unbounded } from "../constants/rule.ts";
import { axesOf, type Seen } from "../shapes/inputs.ts";
import type { ShapeRule } from "../shapes/rule.ts";
import {
  asDim,
  type Dim,
  elementCount,
  knownContents,
  normalizeAxes,
  ofShape,
  UNKNOWN,
  unknownDims,
} from "../shapes/value.ts";
import { copied, isometry, seenInPlan } from "./index-constants.ts";
import {
  most,
  movedOperation,
  occurrences,
  otherSignal,
  positionedSources,
  seen,
  sizeOf,
} from "./index-maps.ts";
import type { OperationRule, OperatorRules } from "./rule.ts";

/** Positions counted for padding that copies entries; larger axes are refused. */
const MAX_COUNTED = 1 << 20;

/** Entries before and after, negative where entries are dropped, by axis. */
type Padding = ReadonlyMap<number, readonly [before: number, after: number]>;

/** How a Pad node pads an input of `rank` axes; null when that is unknown. */
function paddingOf(op: Seen, rank: number): Padding | null {
  const pads = op.opset < 11 ? intsAttribute(op.node, "pads") : knownContents(op.inputs[1]);
  const unreadable = op.inputs[3] !== undefined && knownContents(op.inputs[3]) === undefined;
  const all = Array.from({ length: rank }, (_, i) => i);
  const axes = normalizeAxes(axesOf(op, 3, "axes") ?? all, rank);
  if (axes === null || unreadable || pads?.length !== 2 * axes.length) return null;
  return new Map(axes.map((axis, k) => [axis, [pads[k], pads[k + axes.length]] as const]));
}

const modeOf = (op: Pick<Seen, "node">) => stringAttribute(op.node, "mode") ?? "constant";

const padShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  if (x.shape === null) return [ofShape(null, x.dtype)];
  const padding = paddingOf(op, x.shape.length);
  if (padding === null) return [ofShape(unknownDims(x.shape.length), x.dtype)];
  const out = x.shape.map((size, axis) => {
    const [before, after] = padding.get(axis) ?? [0, 0];
    return size === null ? null : asDim(size + before + after);
  });
  return [ofShape(out, x.dtype)];
};

/** Where position i takes its entry from, for an axis of n entries that starts at 0; −1 for the constant. */
function source(mode: string, i: number, n: number): number {
  if (i >= 0 && i < n) return i;
  if (mode === "edge") return Math.min(Math.max(i, 0), n - 1);
  if (mode === "wrap") return ((i % n) + n) % n;
  if (mode !== "reflect") return -1;
  const period = Math.max(2 * (n - 1), 1);
  const r = ((i % period) + period) % period;
  return n === 1 ? 0 : Math.min(r, period - r);
}

/** Positions that one padded axis reads. Entries are dropped first, and what is left is padded. */
function padded(mode: string, size: number, [before, after]: readonly [number, number]): Int32Array {
  const start = Math.max(-before, 0);
  const left = size - start - Math.max(-after, 0);
  return Int32Array.from({ length: Math.max(size + before + after, 0) }, (_, k) => {
    const s = left < 1 ? -1 : source(mode, k - Math.max(before, 0), left);
    return s < 0 ? -1 : s + start;
  });
}

function copiesAlong(mode: string, size: Dim, pads: readonly [number, number]): number | null {
  if (size === null || size + Math.max(pads[0], 0) + Math.max(pads[1], 0) > MAX_COUNTED) return null;
  return most(occurrences(padded(mode, size, pads), size));
}

const padConstant: ConstantRule = (chain) => {
  const { input } = chain;
  const mode = modeOf(chain);
  if (mode === "constant") return bounded(1, "pads with constants");
  const padding = input.shape && paddingOf(seenInPlan(chain), input.shape.length);
  if (!padding) return unbounded("how it pads is unknown");
  let copies = 1;
  for (const [axis, pads] of padding) {
    if (pads[0] === 0 && pads[1] === 0) continue;
    const along = copiesAlong(mode, input.shape![axis], pads);
    if (along === null)
      return unbounded("how often padding copies an entry is unknown; give the input sizes");
    copies *= along;
  }
  return copied(copies);
};

const pad: OperationRule = (binding) => {
  const other = otherSignal(binding);
  if (other !== undefined) return other;
  const shape = binding.inputs[0]?.shape ?? [];
  const op = seen(binding);
  const mode = modeOf(op);
  const padding = paddingOf(op, shape.length);
  if (padding === null) return "how it pads is unknown";
  if (!["constant", "edge", "reflect", "wrap"].includes(mode)) return `mode "${mode}" is not covered`;
  const positions = [...padding].map(([axis, pads]) => [axis, padded(mode, shape[axis], pads)] as const);
  const sources = positionedSources(shape, new Map(positions));
  const value = (op.opset < 11 ? floatAttribute(op.node, "value") : binding.inputs[2]?.data?.[0]) ?? 0;
  const offset = value === 0 ? undefined : Float64Array.from(sources, (s) => (s < 0 ? value : 0));
  return movedOperation(sources, sizeOf(shape), offset);
};

/** The sizes a CenterCropPad node wants, by axis. */
function centredSizes(op: Seen, rank: number): ReadonlyMap<number, Dim> | null {
  const all = Array.from({ length: rank }, (_, i) => i);
  const axes = normalizeAxes(intsAttribute(op.node, "axes") ?? all, rank);
  const sizes = op.inputs[1]?.contents;
  if (axes === null || sizes?.length !== axes.length) return null;
  return new Map(axes.map((axis, k) => [axis, asDim(sizes[k])]));
}

const centreShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  if (x.shape === null) return [ofShape(null, x.dtype)];
  const sizes = centredSizes(op, x.shape.length);
  const out = x.shape.map((d, axis) => (sizes?.has(axis) ? (sizes.get(axis) ?? null) : d));
  return [ofShape(sizes === null ? unknownDims(out.length) : out, x.dtype)];
};

const centre: OperationRule = (binding) => {
  const other = otherSignal(binding);
  if (other !== undefined) return other;
  const shape = binding.inputs[0]?.shape ?? [];
  const to = binding.outputs[0]?.shape ?? [];
  const positions = shape.map((size, axis) => {
    // Half of what is missing before the entries, half of what is too much dropped there, both rounded down.
    const missing = to[axis] - size;
    const before = missing > 0 ? Math.floor(missing / 2) : -Math.floor(-missing / 2);
    return [axis, padded("constant", size, [before, missing - before])] as const;
  });
  return movedOperation(positionedSources(shape, new Map(positions)), elementCount(shape) ?? 0);
};

/** Operators that put entries around others, or drop those at the ends. */
export const padRules: OperatorRules = {
  Pad: { shape: padShape, constant: padConstant, operation: pad },
  CenterCropPad: { shape: centreShape, constant: isometry, operation: centre },
};
