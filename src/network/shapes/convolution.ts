import type { OnnxNode } from "../../formats/onnx/types.ts";
import { intAttribute, intsAttribute } from "../attributes.ts";
import { type SlidingWindow, slidingWindow, transposedAxis, windowOutput } from "../window.ts";
import { rulesFor, type ShapeRule, type ShapeRules } from "./rule.ts";
import { type Dim, isKnown, ofShape, type Shape, UNKNOWN, unknownDims, type Value } from "./value.ts";

/** A convolution node's kernel sizes: the attribute, else the weight's trailing axes. */
function kernelOf(node: OnnxNode, weight: Value): readonly number[] | null {
  const attribute = intsAttribute(node, "kernel_shape");
  if (attribute !== undefined) return attribute;
  const spatial = weight.shape?.slice(2) ?? null;
  return isKnown(spatial) ? spatial : null;
}

function spatialOutputs(x: Shape, w: SlidingWindow): readonly Dim[] {
  return w.kernel.map((_, i) => windowOutput(w, i, x[i + 2]));
}

/** A convolution whose weight is input `index`. */
function convolution(index: number, dtype?: string): ShapeRule {
  return (op) => {
    const x = op.inputs[0] ?? UNKNOWN;
    const weight = op.inputs[index] ?? UNKNOWN;
    const type = dtype ?? x.dtype;
    const rank = x.shape?.length ?? weight.shape?.length;
    if (rank === undefined) return [ofShape(null, type)];
    const kernel = kernelOf(op.node, weight);
    const w = kernel && kernel.length === rank - 2 ? slidingWindow(op.node, kernel) : null;
    const batch = x.shape?.[0] ?? null;
    const channels = weight.shape?.[0] ?? null;
    if (x.shape === null || w === null)
      return [ofShape([batch, channels, ...unknownDims(Math.max(rank - 2, 0))], type)];
    return [ofShape([batch, channels, ...spatialOutputs(x.shape, w)], type)];
  };
}

const channelsLast: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const shape = x.shape === null ? null : [x.shape[0], x.shape.at(-1)!, ...x.shape.slice(1, -1)];
  const [out] = convolution(1)({ ...op, inputs: [{ ...x, shape }, ...op.inputs.slice(1)] });
  if (out.shape === null) return [out];
  return [ofShape([out.shape[0], ...out.shape.slice(2), out.shape[1]], x.dtype)];
};

const transposed: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const weight = op.inputs[1] ?? UNKNOWN;
  const kernel = kernelOf(op.node, weight);
  const { shape } = x;
  if (shape === null || kernel === null || kernel.length !== shape.length - 2)
    return [ofShape(null, x.dtype)];
  const w = slidingWindow(op.node, kernel);
  const perGroup = weight.shape?.[1] ?? null;
  const channels = perGroup === null ? null : perGroup * (intAttribute(op.node, "group") ?? 1);
  const spatial = w?.kernel.map((_, i) => transposedAxis(op.node, w, i, shape[i + 2]).output);
  return [ofShape([shape[0], channels, ...(spatial ?? unknownDims(kernel.length))], x.dtype)];
};

/** Convolutions, plain, fused, quantised, channels-last and transposed. */
export const convolutionRules: ShapeRules = {
  ...rulesFor(["Conv", "FusedConv", "DeformConv"], convolution(1)),
  ...rulesFor(["ConvInteger"], convolution(1, "int32")),
  QLinearConv: convolution(3),
  ...rulesFor(["NhwcConv", "NhwcFusedConv"], channelsLast),
  ...rulesFor(["ConvTranspose"], transposed),
};
