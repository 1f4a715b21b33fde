import { intAttribute, intsAttribute } from "../attributes.ts";
import type { Seen } from "../shapes/inputs.ts";
import type { ShapeRule } from "../shapes/rule.ts";
import {
  type Dim,
  isKnown,
  knownContents,
  normalizeAxes,
  normalizeAxis,
  ofShape,
  UNKNOWN,
  unknownDims,
  type Value,
  withContents,
} from "../shapes/value.ts";
import { isometry } from "./index-constants.ts";
import { axisRange, movedOperation, otherSignal, positionedSources, seen, sizeOf } from "./index-maps.ts";
import type { OperationRule, OperatorRules } from "./rule.ts";

/** First index, step and count of a slice of one axis, by ONNX's clamping rules. */
export function sliceRange(
  size: number,
  start: number,
  end: number,
  step: number,
): { first: number; count: number } {
  const from = start < 0 ? start + size : start;
  const to = end < 0 ? end + size : end;
  if (step > 0) {
    const first = Math.min(Math.max(from, 0), size);
    return { first, count: Math.max(Math.ceil((Math.min(Math.max(to, 0), size) - first) / step), 0) };
  }
  const first = Math.min(Math.max(from, 0), size - 1);
  return { first, count: Math.max(Math.ceil((first - Math.min(Math.max(to, -1), size - 1)) / -step), 0) };
}

function sliceSpec(op: Seen) {
  const attributes = op.opset < 10;
  const read = (input: number, name: string) =>
    attributes ? intsAttribute(op.node, name) : knownContents(op.inputs[input]);
  const starts = read(1, "starts");
  const ends = read(2, "ends");
  const length = attributes ? starts?.length : op.inputs[1]?.shape?.[0];
  const omitted = (input: number, name: string) =>
    attributes ? intsAttribute(op.node, name) === undefined : op.inputs[input] === undefined;
  const axes = omitted(3, "axes") && length ? Array.from({ length }, (_, i) => i) : read(3, "axes");
  const steps = attributes || op.inputs[4] === undefined ? axes?.map(() => 1) : read(4, "steps");
  return { starts, ends, axes, steps };
}

const sliceShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  if (x.shape === null) return [ofShape(null, x.dtype)];
  if (!attributesFit(op, x)) return [ofShape(unknownDims(x.shape.length), x.dtype)];
  const { starts, ends, axes: given, steps } = sliceSpec(op);
  const axes = given ? normalizeAxes(given, x.shape.length) : null;
  if (axes === null) return [ofShape(unknownDims(x.shape.length), x.dtype)];
  const out: Dim[] = [...x.shape];
  const positions = new Map<number, Int32Array>();
  axes.forEach((axis, k) => {
    const size = x.shape![axis];
    const [start, end, step] = [starts?.[k], ends?.[k], steps?.[k]];
    if (size === null || start === undefined || end === undefined || !step) {
      out[axis] = null;
      return;
    }
    const { first, count } = sliceRange(size, start, end, step);
    out[axis] = count;
    if (x.contents !== undefined) positions.set(axis, axisRange(count, 1, first, step));
  });
  const { contents } = x;
  if (contents === undefined || !isKnown(x.shape) || !isKnown(out)) return [ofShape(out, x.dtype)];
  const kept = Array.from(positionedSources(x.shape, positions), (s) => contents[s]);
  return [withContents(out, x.dtype, kept)];
};

/** Starts beyond what the 1-D axes inputs can name would be nonsense; such a slice stays unknown. */
function attributesFit(op: Seen, x: Value): boolean {
  const length = op.opset < 10 ? intsAttribute(op.node, "starts")?.length : op.inputs[1]?.shape?.[0];
  return length === null || length === undefined || length <= (x.shape?.length ?? 0);
}

const slice: OperationRule = (binding) => {
  const other = otherSignal(binding);
  if (other !== undefined) return other;
  const shape = binding.inputs[0]?.shape ?? [];
  const { starts, ends, axes: given, steps } = sliceSpec(seen(binding));
  const axes = given ? normalizeAxes(given, shape.length) : null;
  if (!axes || !starts || !ends || !steps) return "its starts, ends, axes or steps are not known";
  const positions = new Map<number, Int32Array>();
  for (const [k, axis] of axes.entries()) {
    if (!steps[k]) return "its step is 0";
    const { first, count } = sliceRange(shape[axis], starts[k], ends[k], steps[k]);
    positions.set(axis, axisRange(count, 1, first, steps[k]));
  }
  return movedOperation(positionedSources(shape, positions), sizeOf(shape));
};

const compressShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const axis = intAttribute(op.node, "axis");
  const kept = knownContents(op.inputs[1])?.filter((c) => c !== 0).length ?? null;
  if (axis === undefined) return [ofShape([kept], x.dtype)];
  const at = x.shape === null ? null : normalizeAxis(axis, x.shape.length);
  return [ofShape(at === null ? null : x.shape!.map((d, i) => (i === at ? kept : d)), x.dtype)];
};

const compress: OperationRule = (binding) => {
  const other = otherSignal(binding);
  if (other !== undefined) return other;
  const condition = binding.inputs[1]?.data;
  const axis = intAttribute(binding.node, "axis");
  const shape = binding.inputs[0]?.shape ?? [];
  const flat = axis === undefined ? [sizeOf(shape)] : shape;
  const at = normalizeAxis(axis ?? 0, flat.length);
  if (condition === undefined || at === null) return "which entries it keeps is not known";
  const kept = Int32Array.from(condition.keys()).filter((i) => condition[i] !== 0 && i < flat[at]);
  return movedOperation(positionedSources(flat, new Map([[at, kept]])), sizeOf(shape));
};

/** Operators that keep some positions along axes. */
export const sliceRules: OperatorRules = {
  Slice: { shape: sliceShape, constant: isometry, operation: slice },
  Compress: { shape: compressShape, constant: isometry, operation: compress },
};
