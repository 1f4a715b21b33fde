import { intAttribute, intsAttribute } from "../attributes.ts";
import { axesOf } from "./rearrange.ts";
import { type Application, rulesFor, type ShapeRule, type ShapeRules } from "./rule.ts";
import {
  asDim,
  type Dim,
  knownContents,
  normalizeAxes,
  normalizeAxis,
  ofShape,
  UNKNOWN,
  unknownDims,
  type Value,
  withContents,
} from "./value.ts";

/** The integer a scalar input or older attribute holds. */
function scalarOf(op: Application, input: number, attribute: string): number | undefined {
  return intAttribute(op.node, attribute) ?? knownContents(op.inputs[input])?.[0];
}

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

function sliceSpec(op: Application) {
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

const slice: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  if (x.shape === null) return [ofShape(null, x.dtype)];
  if (!attributesFit(op, x)) return [ofShape(unknownDims(x.shape.length), x.dtype)];
  const { starts, ends, axes: given, steps } = sliceSpec(op);
  const axes = given ? normalizeAxes(given, x.shape.length) : null;
  if (axes === null) return [ofShape(unknownDims(x.shape.length), x.dtype)];
  const out: Dim[] = [...x.shape];
  let contents = x.contents;
  axes.forEach((axis, k) => {
    const size = x.shape![axis];
    const [start, end, step] = [starts?.[k], ends?.[k], steps?.[k]];
    if (size === null || start === undefined || end === undefined || !step) {
      out[axis] = null;
      return;
    }
    const { first, count } = sliceRange(size, start, end, step);
    out[axis] = count;
    const source = contents;
    contents =
      x.shape!.length === 1 && source
        ? Array.from({ length: count }, (_, i) => source[first + i * step])
        : undefined;
  });
  return [withContents(out, x.dtype, contents)];
};

/** Starts beyond what the 1-D axes inputs can name would be nonsense; such a slice stays unknown. */
function attributesFit(op: Application, x: Value): boolean {
  const length = op.opset < 10 ? intsAttribute(op.node, "starts")?.length : op.inputs[1]?.shape?.[0];
  return length === null || length === undefined || length <= (x.shape?.length ?? 0);
}

const gather: ShapeRule = (op) => {
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

const gatherNd: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const indices = op.inputs[1]?.shape ?? null;
  const depth = indices?.at(-1) ?? null;
  if (x.shape === null || indices === null || depth === null) return [ofShape(null, x.dtype)];
  const batch = intAttribute(op.node, "batch_dims") ?? 0;
  return [ofShape([...indices.slice(0, -1), ...x.shape.slice(batch + depth)], x.dtype)];
};

const topK: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  if (x.shape === null) return [ofShape(null, x.dtype), ofShape(null, "int64")];
  const axis = normalizeAxis(intAttribute(op.node, "axis") ?? -1, x.shape.length);
  const k = asDim(scalarOf(op, 1, "k"));
  const out = x.shape.map((d, i) => (i === axis ? k : d));
  return axis === null ? [] : [ofShape(out, x.dtype), ofShape(out, "int64")];
};

const compress: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const axis = intAttribute(op.node, "axis");
  const kept = knownContents(op.inputs[1])?.filter((c) => c !== 0).length ?? null;
  if (axis === undefined) return [ofShape([kept], x.dtype)];
  const at = x.shape === null ? null : normalizeAxis(axis, x.shape.length);
  return [ofShape(at === null ? null : x.shape!.map((d, i) => (i === at ? kept : d)), x.dtype)];
};

const pad: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  if (x.shape === null) return [ofShape(null, x.dtype)];
  const rank = x.shape.length;
  const pads = op.opset < 11 ? intsAttribute(op.node, "pads") : knownContents(op.inputs[1]);
  const unreadable = op.inputs[3] !== undefined && knownContents(op.inputs[3]) === undefined;
  const axes = normalizeAxes(axesOf(op, 3, "axes") ?? x.shape.map((_, i) => i), rank);
  if (axes === null || unreadable || pads?.length !== 2 * axes.length)
    return [ofShape(unknownDims(rank), x.dtype)];
  const out = [...x.shape];
  axes.forEach((axis, k) => {
    const size = x.shape![axis];
    out[axis] = size === null ? null : asDim(size + pads[k] + pads[k + axes.length]);
  });
  return [ofShape(out, x.dtype)];
};

/** Operators that pick elements by position, or put elements around them. */
export const selectRules: ShapeRules = {
  Slice: slice,
  Gather: gather,
  GatherND: gatherNd,
  GatherElements: (op) => [ofShape(op.inputs[1]?.shape ?? null, op.inputs[0]?.dtype ?? "unknown")],
  ...rulesFor(["ScatterElements", "ScatterND", "Scatter", "TensorScatter", "ReverseSequence"], (op) => [
    ofShape(op.inputs[0]?.shape ?? null, op.inputs[0]?.dtype ?? "unknown"),
  ]),
  TopK: topK,
  Compress: compress,
  Pad: pad,
};
