import { mulUp } from "../../linalg/rounding.ts";
import {
  floatAttribute,
  floatsAttribute,
  intAttribute,
  intsAttribute,
  stringAttribute,
} from "../attributes.ts";
import { bounded, type ConstantRule, unbounded } from "../constants/rule.ts";
import type { Seen } from "../shapes/inputs.ts";
import type { ShapeRule } from "../shapes/rule.ts";
import {
  asDim,
  type Dim,
  knownContents,
  normalizeAxes,
  ofShape,
  type Shape,
  UNKNOWN,
  unknownDims,
} from "../shapes/value.ts";
import { copied, seenInPlan } from "./index-constants.ts";
import {
  axisPositions,
  most,
  movedOperation,
  occurrences,
  otherSignal,
  positionedSources,
  seen,
  separableSources,
  sizeOf,
} from "./index-maps.ts";
import { exactly, isLess, type Rational, ratio } from "./rational.ts";
import { type AxisResampling, type Interpolation, interpolation, nearestPositions } from "./resize-axis.ts";
import type { OperationRule, OperatorRules } from "./rule.ts";
import { type AxisMatrix, axesPart, axisNorm } from "./sum-parts.ts";

interface ResizeTarget {
  readonly axes: readonly number[];
  readonly scales: readonly number[] | undefined;
  readonly sizes: readonly (number | null)[] | undefined;
}

/** What a Resize or Upsample node asks for; null when its axes are wrong. */
function resizeTarget(op: Seen, rank: number): ResizeTarget | null {
  const all = Array.from({ length: rank }, (_, i) => i);
  const axes = normalizeAxes(intsAttribute(op.node, "axes") ?? all, rank);
  const scalesInput = op.node.opType === "Resize" && op.opset >= 11 ? 2 : 1;
  const scales = floatsAttribute(op.node, "scales") ?? knownContents(op.inputs[scalesInput]);
  const sizes = op.opset >= 11 ? op.inputs[3]?.contents : undefined;
  return (
    axes && { axes, scales: scales?.length ? scales : undefined, sizes: sizes?.length ? sizes : undefined }
  );
}

/** One common scale for all axes, size over dimension of one of them; undefined where each has its own. */
function commonScale(op: Seen, shape: Shape, target: ResizeTarget): Rational | null | undefined {
  const policy = stringAttribute(op.node, "keep_aspect_ratio_policy") ?? "stretch";
  if (!target.sizes || policy === "stretch") return undefined;
  let chosen: Rational | null = null;
  for (const [k, axis] of target.axes.entries()) {
    const [d, size] = [shape[axis], target.sizes[k] ?? null];
    if (d === null || d === 0 || size === null) return null;
    const own = ratio(size, d);
    if (chosen === null || isLess(own, chosen) === (policy === "not_larger")) chosen = own;
  }
  return chosen;
}

/** ⌊scale·size + ½⌋. */
function scaledSize(scale: Rational, size: Dim): Dim {
  if (size === null) return null;
  const twice = 2n * scale.n * BigInt(size) + scale.d;
  return Number(twice / (2n * scale.d));
}

const coordinatesOf = (op: Seen) =>
  op.node.opType === "Upsample" || op.opset < 11
    ? "asymmetric"
    : (stringAttribute(op.node, "coordinate_transformation_mode") ?? "half_pixel");

const resizeShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const { shape } = x;
  if (shape === null) return [ofShape(null, x.dtype)];
  const target = resizeTarget(op, shape.length);
  // The region of tf_crop_and_resize scales the size as well.
  const cropped = coordinatesOf(op) === "tf_crop_and_resize";
  if (target === null) return [ofShape(unknownDims(shape.length), x.dtype)];
  const out: Dim[] = [...shape];
  const common = commonScale(op, shape, target);
  target.axes.forEach((axis, k) => {
    const d = shape[axis];
    const scale = target.scales?.[k];
    if (common !== undefined) out[axis] = common && scaledSize(common, d);
    else if (target.sizes) out[axis] = asDim(target.sizes[k]);
    else if (scale === 1 && !cropped) out[axis] = d;
    else
      out[axis] =
        d === null || scale === undefined || cropped ? null : asDim(Math.floor(Math.fround(d * scale)));
  });
  return [ofShape(out, x.dtype)];
};

/** How each axis is resampled; null for one whose sizes or scale are not known. Axes that stay are left out. */
function resamplings(
  op: Seen,
  input: Shape,
  output: Shape,
): ReadonlyMap<number, AxisResampling | null> | null {
  const target = resizeTarget(op, input.length);
  if (target === null || output.length !== input.length) return null;
  const common = commonScale(op, input, target);
  const regions = knownContents(op.inputs[1]);
  const coordinates = coordinatesOf(op);
  const count = target.axes.length;
  const found = target.axes.map((axis, k): readonly [number, AxisResampling | null] => {
    const [size, outputs, given] = [input[axis], output[axis], target.scales?.[k]];
    if (size === null || outputs === null || size === 0) return [axis, null];
    const region = [regions?.[k] ?? 0, regions?.[k + count] ?? 1] as const;
    if (![given ?? 1, ...region].every(Number.isFinite)) return [axis, null];
    const scale = common ?? (target.sizes || given === undefined ? ratio(outputs, size) : exactly(given));
    return [axis, scale.n > 0n ? { size, outputs, scale, coordinates, region } : null];
  });
  const stays = (axis: AxisResampling | null) =>
    axis !== null && axis.scale.n === axis.scale.d && axis.size === axis.outputs;
  return new Map(found.filter(([, axis]) => !stays(axis)));
}

const modeOf = (op: Seen) => stringAttribute(op.node, "mode") ?? "nearest";

const nearestModeOf = (op: Seen) =>
  op.node.opType === "Upsample" || op.opset < 11
    ? "simple"
    : (stringAttribute(op.node, "nearest_mode") ?? "round_prefer_floor");

/** How a node interpolates, or what is not covered. */
function interpolationOf(op: Seen): Interpolation | string {
  const mode = modeOf(op);
  const on = (name: string) => intAttribute(op.node, name) === 1;
  if (mode !== "linear" && mode !== "bilinear" && mode !== "cubic") return `mode "${mode}" is not covered`;
  if (on("antialias") && coordinatesOf(op) === "tf_crop_and_resize") {
    return "antialias with tf_crop_and_resize is not covered";
  }
  const a = floatAttribute(op.node, "cubic_coeff_a") ?? -0.75;
  if (!Number.isFinite(a)) return "its cubic_coeff_a is not a number";
  return {
    mode: mode === "cubic" ? "cubic" : "linear",
    a,
    excludeOutside: on("exclude_outside"),
    antialias: on("antialias"),
  };
}

const SIZES = "how it resamples depends on sizes that are unknown; give the input sizes";

/** Copies of one entry along an axis of unknown size: exact for whole scales with plain coordinates. */
function copiesOfUnknown(op: Seen, scale: number | undefined): number | null {
  const plain = coordinatesOf(op) === "asymmetric" && ["floor", "simple"].includes(nearestModeOf(op));
  return plain && Number.isSafeInteger(scale) && scale! >= 1 ? scale! : null;
}

const nearestConstant: ConstantRule = (chain) => {
  const op = seenInPlan(chain);
  const { input, output } = chain;
  const rank = input.shape?.length ?? 0;
  const axes = input.shape && output.shape && resamplings(op, input.shape, output.shape);
  const target = resizeTarget(op, rank);
  if (!axes || target === null) return unbounded(SIZES);
  let copies = 1;
  for (const [axis, how] of axes) {
    const scale = target.scales?.[target.axes.indexOf(axis)];
    const along = how
      ? most(occurrences(nearestPositions(how, nearestModeOf(op)), how.size))
      : copiesOfUnknown(op, scale);
    if (along === null) return unbounded(SIZES);
    copies *= along;
  }
  return copied(copies);
};

const interpolatedConstant: ConstantRule = (chain) => {
  const op = seenInPlan(chain);
  const how = interpolationOf(op);
  if (typeof how === "string") return unbounded(how);
  const { input, output } = chain;
  const axes = input.shape && output.shape && resamplings(op, input.shape, output.shape);
  if (!axes) return unbounded(SIZES);
  let norm = 1;
  for (const axis of axes.values()) {
    if (axis === null) return unbounded(SIZES);
    const along = axisNorm(interpolation(axis, how).matrix);
    norm = norm === 1 ? along : mulUp(norm, along);
  }
  return bounded(norm, "norm of the interpolation, axis by axis");
};

const resizeConstant: ConstantRule = (chain) =>
  modeOf(seenInPlan(chain)) === "nearest" ? nearestConstant(chain) : interpolatedConstant(chain);

/** The extrapolation value where an output lies outside along any axis; undefined where it is 0 or none does. */
function extrapolated(op: Seen, axes: readonly Int32Array[]): Float64Array | undefined {
  const value = floatAttribute(op.node, "extrapolation_value") ?? 0;
  if (value === 0 || !axes.some((axis) => axis.includes(-1))) return undefined;
  return Float64Array.from(separableSources(axes), (s) => (s < 0 ? value : 0));
}

const resize: OperationRule = (binding) => {
  const other = otherSignal(binding);
  if (other !== undefined) return other;
  const [input, output] = [binding.inputs[0]?.shape ?? [], binding.outputs[0]?.shape ?? []];
  const op = seen(binding);
  const axes = resamplings(op, input, output);
  const known = axes && [...axes].flatMap(([axis, how]) => (how ? [[axis, how] as const] : []));
  if (known?.length !== axes?.size || !known) return "its scales or sizes do not fit its input";
  // Whether each output of an axis lies inside it, as offsets of 0 and −1.
  const inside: Int32Array[] = output.map((size) => new Int32Array(size));
  if (modeOf(op) === "nearest") {
    const positions = new Map(known.map(([axis, how]) => [axis, nearestPositions(how, nearestModeOf(op))]));
    for (const [axis, p] of positions) inside[axis] = axisPositions(p, 0);
    return movedOperation(positionedSources(input, positions), sizeOf(input), extrapolated(op, inside));
  }
  const how = interpolationOf(op);
  if (typeof how === "string") return how;
  const matrices = new Map<number, AxisMatrix>();
  for (const [axis, resampling] of known) {
    const { matrix, outside } = interpolation(resampling, how);
    matrices.set(axis, matrix);
    inside[axis] = Int32Array.from(outside, (out) => (out ? -1 : 0));
  }
  const offset = extrapolated(op, inside);
  return { kind: "affine", parts: [axesPart(input, matrices)], ...(offset ? { offset } : {}) };
};

const gridShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const grid = op.inputs[1]?.shape ?? null;
  if (x.shape === null || grid === null) return [ofShape(null, x.dtype)];
  return [ofShape([x.shape[0], x.shape[1] ?? null, ...grid.slice(1, -1)], x.dtype)];
};

/** Operators that change the sampling of the spatial axes. */
export const resizeRules: OperatorRules = {
  Resize: { shape: resizeShape, constant: resizeConstant, operation: resize },
  Upsample: { shape: resizeShape, constant: resizeConstant, operation: resize },
  GridSample: { shape: gridShape, constant: "no rule covers sampling on a grid" },
};
