import type { OnnxNode } from "../formats/onnx/types.ts";
import { intAttribute, intsAttribute, stringAttribute } from "./attributes.ts";
import type { Dim } from "./shapes/value.ts";

/** The sliding window of a convolution or pooling node, per spatial axis. */
export interface SlidingWindow {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly autoPad: string;
  /** Explicit padding [before, after]; used where `autoPad` is NOTSET. May be negative (cropping). */
  readonly pads: readonly (readonly [number, number])[];
  readonly ceilMode: boolean;
}

function positive(values: readonly number[]): boolean {
  return values.every((v) => Number.isSafeInteger(v) && v >= 1);
}

/** A node's window over a kernel of these sizes, or null when its attributes do not fit together. */
export function slidingWindow(node: OnnxNode, kernel: readonly number[]): SlidingWindow | null {
  const axes = kernel.length;
  const strides = intsAttribute(node, "strides") ?? kernel.map(() => 1);
  const dilations = intsAttribute(node, "dilations") ?? kernel.map(() => 1);
  const pads = intsAttribute(node, "pads") ?? new Array<number>(2 * axes).fill(0);
  const fits = strides.length === axes && dilations.length === axes && pads.length === 2 * axes;
  if (!fits || ![kernel, strides, dilations].every(positive) || !pads.every(Number.isSafeInteger))
    return null;
  return {
    kernel,
    strides,
    dilations,
    autoPad: stringAttribute(node, "auto_pad") || "NOTSET",
    pads: kernel.map((_, i) => [pads[i], pads[i + axes]] as const),
    ceilMode: intAttribute(node, "ceil_mode") === 1,
  };
}

/** Input positions one window spans along an axis. */
function extent(w: SlidingWindow, axis: number): number {
  return w.dilations[axis] * (w.kernel[axis] - 1) + 1;
}

/**
 * Padding of one axis with `auto_pad` resolved (ONNX: SAME keeps ⌈n/s⌉ outputs, the odd one after for UPPER and
 * before for LOWER). With n unknown, SAME is resolved as if s divided it, which is exact for stride 1.
 */
export function resolvedPadding(w: SlidingWindow, axis: number, size: Dim): readonly [number, number] {
  if (w.autoPad === "NOTSET") return w.pads[axis];
  if (w.autoPad === "VALID") return [0, 0];
  const n = size ?? w.strides[axis];
  const reach = (Math.ceil(n / w.strides[axis]) - 1) * w.strides[axis] + extent(w, axis);
  const total = Math.max(reach - n, 0);
  const less = Math.floor(total / 2);
  return w.autoPad === "SAME_LOWER" ? [total - less, less] : [less, total - less];
}

/** Output size of a convolution or pooling along one axis; null when unknown or when no window fits. */
export function windowOutput(w: SlidingWindow, axis: number, size: Dim): Dim {
  if (size === null) return null;
  const stride = w.strides[axis];
  if (w.autoPad.startsWith("SAME")) return Math.ceil(size / stride);
  const [before, after] = resolvedPadding(w, axis, size);
  const room = size + before + after - extent(w, axis);
  if (room < 0) return null;
  if (!w.ceilMode) return Math.floor(room / stride) + 1;
  const out = Math.ceil(room / stride) + 1;
  // A window that would start in the padding after the input is left out.
  return (out - 1) * stride >= size + before ? out - 1 : out;
}

/** Geometry of a transposed convolution along one axis. */
export interface TransposedAxis {
  /** Size of the output; null when the input's is unknown. */
  readonly output: Dim;
  readonly padding: readonly [number, number];
  /** Trailing outputs added beyond what the adjoint of the padded convolution gives. */
  readonly outputPadding: number;
}

function halved(total: number, upper: boolean): readonly [number, number] {
  const less = Math.floor(total / 2);
  return upper ? [less, total - less] : [total - less, less];
}

/** ConvTranspose along one axis: `output_shape` or `auto_pad` resolved into paddings, as ONNX defines them. */
export function transposedAxis(node: OnnxNode, w: SlidingWindow, axis: number, size: Dim): TransposedAxis {
  const stride = w.strides[axis];
  const extra = intsAttribute(node, "output_padding")?.[axis] ?? 0;
  const wanted = intsAttribute(node, "output_shape");
  const full = size === null ? null : stride * (size - 1) + extra + extent(w, axis);
  const upper = w.autoPad === "SAME_UPPER";
  const asked = wanted?.at(axis - w.kernel.length) ?? null;
  if (asked !== null || w.autoPad.startsWith("SAME")) {
    const output = asked ?? (size === null ? null : size * stride);
    const total =
      full === null || output === null
        ? asked === null
          ? extra + extent(w, axis) - stride
          : 0
        : full - output;
    // Where less is computed than asked for, the rest is zeros at the end.
    return { output, padding: halved(Math.max(total, 0), upper), outputPadding: extra + Math.max(-total, 0) };
  }
  const padding = w.autoPad === "VALID" ? ([0, 0] as const) : w.pads[axis];
  const output = full === null ? null : full - padding[0] - padding[1];
  return { output: output !== null && output < 0 ? null : output, padding, outputPadding: extra };
}

/**
 * The size m and padding for which the transposed convolution is the adjoint of a forward convolution from m to
 * exactly its input size. Output padding below the stride already is; from the stride on, trailing outputs would
 * belong to more windows than there are inputs, so they are taken from the padding and, being always zero, from m.
 */
export function adjointAxis(
  output: Dim,
  padding: readonly [number, number],
  extra: number,
  stride: number,
): { readonly size: Dim; readonly padding: readonly [number, number] } {
  if (extra < stride) return { size: output, padding };
  const taken = Math.min(extra, padding[1]);
  const rest = extra - taken;
  const size = output === null || rest < stride ? output : output - rest;
  return { size, padding: [padding[0], padding[1] - taken] };
}
