import { intAttribute } from "../attributes.ts";
import { bounded, type ConstantRule, rootUp, unbounded } from "../constants/rule.ts";
import { axesOf, type Seen, shapeFromContents } from "../shapes/inputs.ts";
import type { ShapeRule } from "../shapes/rule.ts";
import {
  asDim,
  type Dim,
  elementCount,
  entriesOf,
  knownContents,
  MAX_CONTENTS,
  normalizeAxis,
  ofShape,
  UNKNOWN,
  withContents,
} from "../shapes/value.ts";
import { slidingWindow, windowOutput } from "../window.ts";
import { isometry } from "./index-constants.ts";
import { movedOperation, otherSignal, pairedSources, seen, sizeOf } from "./index-maps.ts";
import { overlaps } from "./index-windows.ts";
import { movedPart } from "./parts.ts";
import type { JoinRule, OperationRule, OperatorRules } from "./rule.ts";
import { summedPart } from "./sum-parts.ts";

const concatShape: ShapeRule = (op) => {
  const values = op.inputs.map((v) => v ?? UNKNOWN);
  const dtype = values[0]?.dtype ?? "unknown";
  const shaped = values.map((v) => v.shape).filter((s) => s !== null);
  if (shaped.length === 0) return [ofShape(null, dtype)];
  const rank = shaped[0].length;
  const axis = normalizeAxis(intAttribute(op.node, "axis") ?? 1, rank);
  if (axis === null || shaped.some((s) => s.length !== rank)) return [ofShape(null, dtype)];
  const out = shaped[0].map((_, i) => {
    if (i !== axis) return shaped.map((s) => s[i]).find((d) => d !== null) ?? null;
    return shaped.length < values.length
      ? null
      : shaped.reduce<Dim>((sum, s) => (sum === null || s[i] === null ? null : sum + s[i]), 0);
  });
  const count = elementCount(out);
  if (rank !== 1 || count === null || count > MAX_CONTENTS) return [ofShape(out, dtype)];
  const entries = values.flatMap((v) => entriesOf(v) ?? []);
  return [withContents(out, dtype, entries)];
};

const concatJoin: JoinRule = ({ signals }) => ({
  constants: signals.map(() => 1),
  join: "euclidean",
  because: "each entry goes to one place",
});

/** Each signal at its place along the axis, constants as an offset. */
const concat: OperationRule = ({ node, inputs, signals, outputs }) => {
  const out = outputs[0]?.shape ?? [];
  const axis = normalizeAxis(intAttribute(node, "axis") ?? 1, out.length);
  if (axis === null) return "its axis lies outside its rank";
  const total = sizeOf(out);
  const outer = sizeOf(out.slice(0, axis));
  const parts = new Map<number, ReturnType<typeof movedPart>>();
  let offset: Float64Array | undefined;
  let start = 0;
  for (const [i, input] of inputs.entries()) {
    const size = sizeOf(input?.shape ?? [0]);
    const width = outer === 0 ? 0 : size / outer;
    if (input?.data !== undefined) {
      offset ??= new Float64Array(total);
      for (let o = 0; o < outer; o++) {
        offset.set(input.data.subarray(o * width, (o + 1) * width), (o * total) / outer + start);
      }
    } else if (signals.includes(i)) {
      parts.set(i, movedPart(placed(total, outer, start, width), size));
    }
    start += width;
  }
  const own = signals.map((i) => parts.get(i)).filter((part) => part !== undefined);
  return { kind: "affine", parts: own, ...(offset ? { offset } : {}) };
};

function placed(total: number, outer: number, start: number, width: number): Int32Array {
  const sources = new Int32Array(total).fill(-1);
  for (let o = 0; o < outer; o++) {
    const at = (o * total) / outer + start;
    for (let j = 0; j < width; j++) sources[at + j] = o * width + j;
  }
  return sources;
}

function equalParts(size: Dim, parts: number): readonly number[] | undefined {
  if (size === null || parts < 1) return undefined;
  const each = Math.ceil(size / parts);
  return Array.from({ length: parts }, (_, i) => Math.max(Math.min(each, size - i * each), 0));
}

/** Sizes along the axis of a Split's outputs; undefined when unknown. */
function splitSizes(op: Seen, size: Dim): readonly number[] | undefined {
  const given = axesOf(op, 1, "split");
  const unreadable = given === undefined && op.inputs[1] !== undefined;
  return unreadable ? undefined : (given ?? equalParts(size, op.node.outputs.length));
}

const splitShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const { shape } = x;
  if (shape === null) return op.node.outputs.map(() => ofShape(null, x.dtype));
  const axis = normalizeAxis(intAttribute(op.node, "axis") ?? 0, shape.length);
  if (axis === null) return [];
  const sizes = splitSizes(op, shape[axis]);
  let start = 0;
  return op.node.outputs.map((_, k) => {
    const size = asDim(sizes?.[k]);
    const out = shape.map((d, i) => (i === axis ? size : d));
    const contents = shape.length === 1 && size !== null ? x.contents?.slice(start, start + size) : undefined;
    start += size ?? 0;
    return withContents(out, x.dtype, contents);
  });
};

const split: OperationRule = (binding) => {
  const other = otherSignal(binding);
  if (other !== undefined) return other;
  const shape = binding.inputs[0]?.shape ?? [];
  const axis = normalizeAxis(intAttribute(binding.node, "axis") ?? 0, shape.length);
  const sizes = axis === null ? undefined : splitSizes(seen(binding), shape[axis]);
  if (axis === null || sizes === undefined) return "how it splits is unknown";
  const inner = sizeOf(shape.slice(axis + 1));
  const outer = sizeOf(shape.slice(0, axis));
  const row = shape[axis] * inner;
  const starts = sizes.map((_, k) => inner * sizes.slice(0, k).reduce((a, b) => a + b, 0));
  const used = binding.outputs.flatMap((v, k) => (v === undefined ? [] : [k]));
  const sources = new Int32Array(used.reduce((n, k) => n + outer * sizes[k] * inner, 0));
  let at = 0;
  for (const k of used) {
    for (let o = 0; o < outer; o++) {
      const from = o * row + starts[k];
      for (let j = 0; j < sizes[k] * inner; j++) sources[at++] = from + j;
    }
  }
  return movedOperation(sources, outer * row);
};

const columnToImageShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const image = shapeFromContents(op.inputs[1]);
  const block = knownContents(op.inputs[2]);
  const channels = x.shape?.[1] ?? null;
  if (image === null) return [];
  const taps = block?.reduce((a, b) => a * b, 1);
  const own = channels === null || !taps ? null : asDim(channels / taps);
  return [ofShape([x.shape?.[0] ?? null, own, ...image], x.dtype)];
};

const columnToImageConstant: ConstantRule = ({ node, scope }) => {
  const block = knownContents(scope.value(node.inputs[2] ?? ""));
  const w = block && slidingWindow(node, block);
  if (!w) return unbounded("its blocks are not known");
  const hits = overlaps(w);
  return bounded(rootUp(hits), `each pixel is a sum of up to ${hits} entries, each entry is in at most one`);
};

/** Blocks added up where they overlap: the adjoint of cutting an image into blocks. */
const columnToImage: OperationRule = (binding) => {
  const other = otherSignal(binding);
  if (other !== undefined) return other;
  const block = knownContents(seen(binding).inputs[2]);
  const w = block && slidingWindow(binding.node, block);
  const image = binding.outputs[0]?.shape ?? [];
  if (!w || image.length !== block.length + 2) return "its blocks are not known";
  const sizes = image.slice(2);
  const locations = sizes.map((n, axis) => windowOutput(w, axis, n) ?? 0);
  const strides = sizes.map((_, axis) => sizeOf(sizes.slice(axis + 1)));
  // Per axis, where a tap of the block at a place lands in the image.
  const landings = block.map((taps, axis) => {
    const offsets = Int32Array.from({ length: taps * locations[axis] }, (_, i) => {
      const [tap, place] = [Math.floor(i / locations[axis]), i % locations[axis]];
      const at = place * w.strides[axis] + tap * w.dilations[axis] - w.pads[axis][0];
      return at < 0 || at >= sizes[axis] ? -1 : at * strides[axis];
    });
    return { offsets, first: taps, second: locations[axis] };
  });
  const inPlane = pairedSources(landings);
  const plane = sizeOf(sizes);
  const planes = image[0] * image[1];
  const targets = new Int32Array(planes * inPlane.length);
  for (let p = 0; p < planes; p++) {
    for (let i = 0; i < inPlane.length; i++) {
      const t = inPlane[i];
      targets[p * inPlane.length + i] = t < 0 ? -1 : p * plane + t;
    }
  }
  return { kind: "affine", parts: [summedPart(targets, planes * plane)] };
};

/** Operators that put tensors together or take them apart. */
export const joinRules: OperatorRules = {
  Concat: { shape: concatShape, constant: isometry, anyInput: true, join: concatJoin, operation: concat },
  Split: { shape: splitShape, constant: isometry, jointOutputs: true, operation: split },
  Col2Im: { shape: columnToImageShape, constant: columnToImageConstant, operation: columnToImage },
};
