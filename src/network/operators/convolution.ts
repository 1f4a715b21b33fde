import type { OnnxNode } from "../../formats/onnx/types.ts";
import { OperatorError } from "../../linalg/errors.ts";
import { intAttribute, intsAttribute } from "../attributes.ts";
import type { ShapeRule } from "../shapes/rule.ts";
import { type Dim, isKnown, ofShape, type Shape, UNKNOWN, unknownDims, type Value } from "../shapes/value.ts";
import {
  adjointAxis,
  resolvedPadding,
  type SlidingWindow,
  slidingWindow,
  transposedAxis,
  windowOutput,
} from "../window.ts";
import { AffineTerms } from "./affine-terms.ts";
import { convolutionPart, type Kernel } from "./convolution-part.ts";
import { axisRange, permutedSources, separableSources, sizeOf } from "./index-maps.ts";
import type { LinearPart } from "./operation.ts";
import { rearrangedPart } from "./rearranged-part.ts";
import type { Binding, BoundInput, OperationRule, OperatorRule, OperatorRules } from "./rule.ts";

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

/** The shape of a convolution whose weight is input `index`. */
export function convolutionShape(index: number, dtype?: string): ShapeRule {
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

/** The same with the channels last. */
export function channelsLastShape(index: number): ShapeRule {
  return (op) => {
    const x = op.inputs[0] ?? UNKNOWN;
    const shape = x.shape === null ? null : [x.shape[0], x.shape.at(-1)!, ...x.shape.slice(1, -1)];
    const [out] = convolutionShape(index)({ ...op, inputs: [{ ...x, shape }, ...op.inputs.slice(1)] });
    if (out.shape === null) return [out];
    return [ofShape([out.shape[0], ...out.shape.slice(2), out.shape[1]], x.dtype)];
  };
}

const transposedShape: ShapeRule = (op) => {
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

/** A convolution's window and sizes once its shapes are known; the input's as NCHW. */
interface Bound {
  readonly w: SlidingWindow;
  readonly entries: Float64Array;
  readonly shape: readonly number[];
  readonly batch: number;
  readonly groups: number;
  readonly sizes: readonly number[];
}

function bound(node: OnnxNode, x: readonly number[], weight: BoundInput | undefined): Bound | string {
  if (weight?.data === undefined) return "its kernel depends on the network's input";
  const { data: entries, shape } = weight;
  const [batch, channels, ...sizes] = x;
  const spatial = shape.slice(2);
  const declared = intsAttribute(node, "kernel_shape");
  if (sizes.length === 0 || sizes.length !== spatial.length)
    return `its kernel has ${spatial.length} axes, its input ${sizes.length}`;
  if (declared !== undefined && declared.join() !== spatial.join())
    return `kernel_shape is ${declared.join("x")} but the kernel is ${spatial.join("x")}`;
  const w = slidingWindow(node, spatial);
  if (w === null) return "strides, pads or dilations do not fit the kernel";
  const groups = intAttribute(node, "group") ?? 1;
  if (sizeOf(x) === 0 || sizeOf(shape) === 0) return "its input or kernel is empty";
  if (w.autoPad === "NOTSET" && w.pads.some((p) => p[0] < 0 || p[1] < 0))
    return "negative padding (cropping) is not supported";
  const wanted = node.opType === "ConvTranspose" ? shape[0] : shape[1] * groups;
  if (channels !== wanted) return `its kernel expects ${wanted} input channels, the graph gives ${channels}`;
  return { w, entries, shape, batch, groups, sizes };
}

/** A part, or what `convolution` says is wrong with it. */
function partOf(make: () => LinearPart): LinearPart | string {
  try {
    return make();
  } catch (error) {
    if (error instanceof OperatorError) return error.message;
    throw error;
  }
}

/** A convolution of the signal at input 0, given as NCHW of shape `x`, with this kernel. */
export function forwardPart(
  node: OnnxNode,
  x: readonly number[],
  weight: BoundInput | undefined,
): LinearPart | string {
  const found = bound(node, x, weight);
  if (typeof found === "string") return found;
  const { w, entries, shape, batch, groups, sizes } = found;
  const geometry = {
    inputSize: sizes,
    strides: w.strides,
    padding: sizes.map((n, i) => resolvedPadding(w, i, n)),
    dilations: w.dilations,
    groups,
    boundary: "zero" as const,
  };
  return partOf(() => convolutionPart({ entries, shape, geometry }, batch, false));
}

/** The adjoint of a convolution from the output's size; trailing outputs that belong to no window are zero. */
function transposedPart({ node, inputs, outputs }: Binding): LinearPart | string {
  const found = bound(node, inputs[0]?.shape ?? [], inputs[1]);
  if (typeof found === "string") return found;
  const { w, entries, shape, batch, groups, sizes } = found;
  const axes = sizes.map((n, i) => {
    const axis = transposedAxis(node, w, i, n);
    return adjointAxis(axis.output, axis.padding, axis.outputPadding, w.strides[i]);
  });
  const inner = axes.map((a) => a.size);
  const padding = axes.map((a) => a.padding);
  if (!isKnown(inner) || Math.min(...inner) < 1) return "its output would be empty";
  if (padding.some((p) => p[0] < 0 || p[1] < 0)) return "negative padding (cropping) is not supported";
  const geometry = {
    inputSize: inner,
    strides: w.strides,
    padding,
    dilations: w.dilations,
    groups,
    boundary: "zero" as const,
  };
  const kernel: Kernel = { entries, shape, geometry };
  const part = partOf(() => convolutionPart(kernel, batch, true));
  if (typeof part === "string") return part;
  const outer = outputs[0]?.shape ?? [];
  if (part.cols !== batch * shape[0] * sizeOf(sizes)) return "its output size does not fit its input";
  if (part.rows === sizeOf(outer)) return part;
  return rearrangedPart(part, part.cols, { result: embedded(outer, inner) });
}

/** Where each entry of an NCHW result of shape `outer` lies in one of spatial sizes `inner`; −1 past its end. */
function embedded(outer: readonly number[], inner: readonly number[]): Int32Array {
  const shape = [...outer.slice(0, 2), ...inner];
  return separableSources(
    outer.map((size, axis) => {
      const stride = sizeOf(shape.slice(axis + 1));
      return axisRange(size, stride).map((at, i) => (i < shape[axis] ? at : -1));
    }),
  );
}

/** The channel of each entry of a tensor, by which a bias is read. */
export function channelSources(shape: readonly number[], axis: number): Int32Array {
  return separableSources(shape.map((size, i) => axisRange(size, i === axis ? 1 : 0)));
}

/** onnxruntime's fused convolution may add another tensor before its activation, which is a node of its own. */
const ADDED = 3;

function withBias(binding: Binding, part: LinearPart | string, axis: number): ReturnType<OperationRule> {
  if (typeof part === "string") return part;
  if (binding.inputs[0]?.data !== undefined)
    return "its bias depends on the network's input, its input does not";
  const shape = binding.outputs[0]?.shape ?? [];
  const bias = binding.inputs[2]?.shape;
  if (part.rows !== sizeOf(shape)) return `it gives ${part.rows} numbers, its output has ${sizeOf(shape)}`;
  if (bias !== undefined && sizeOf(bias) !== shape[axis]) return `its bias has shape [${bias}]`;
  const terms = new AffineTerms(binding);
  terms.part(0, part);
  terms.moved(2, channelSources(shape, axis));
  if (binding.inputs[ADDED] !== undefined) terms.moved(ADDED, axisRange(part.rows, 1));
  return terms.operation() ?? "its kernel depends on the network's input";
}

const forward: OperationRule = (binding) =>
  withBias(binding, forwardPart(binding.node, binding.inputs[0]?.shape ?? [], binding.inputs[1]), 1);

const transposed: OperationRule = (binding) => withBias(binding, transposedPart(binding), 1);

/** Sources that read a tensor with channels last as NCHW, and back. */
function channelsFirst(shape: readonly number[]): {
  readonly nchw: readonly number[];
  readonly order: readonly number[];
} {
  const last = shape.length - 1;
  const order = [0, last, ...Array.from({ length: last - 1 }, (_, i) => i + 1)];
  return { nchw: order.map((axis) => shape[axis]), order };
}

/** A convolution of a signal whose channels are last, and so are the result's. */
export function channelsLastPart(
  node: OnnxNode,
  x: readonly number[],
  weight: BoundInput | undefined,
  output: readonly number[],
): LinearPart | string {
  const given = channelsFirst(x);
  const part = forwardPart(node, given.nchw, weight);
  if (typeof part === "string") return part;
  const { nchw } = channelsFirst(output);
  if (part.rows !== sizeOf(nchw)) return `it gives ${part.rows} numbers, its output has ${sizeOf(nchw)}`;
  const back = [0, ...Array.from({ length: nchw.length - 2 }, (_, i) => i + 2), 1];
  return rearrangedPart(part, part.cols, {
    argument: permutedSources(x, given.order),
    result: permutedSources(nchw, back),
  });
}

const channelsLast: OperationRule = (binding) => {
  const { node, inputs, outputs } = binding;
  const shape = outputs[0]?.shape ?? [];
  return withBias(
    binding,
    channelsLastPart(node, inputs[0]?.shape ?? [], inputs[1], shape),
    shape.length - 1,
  );
};

const NOT_AUDITED = "its weight is not one that is audited";
const SEVERAL = "more than its input depends on the network's input, which no rule covers";

function convolutionRule(shape: ShapeRule, operation: OperationRule): OperatorRule {
  return { shape, constant: NOT_AUDITED, join: SEVERAL, operation };
}

/** Convolutions with a constant kernel: plain, fused, with channels last, and transposed. */
export const convolutionRules: OperatorRules = {
  Conv: convolutionRule(convolutionShape(1), forward),
  FusedConv: convolutionRule(convolutionShape(1), forward),
  NhwcConv: convolutionRule(channelsLastShape(1), channelsLast),
  NhwcFusedConv: convolutionRule(channelsLastShape(1), channelsLast),
  ConvTranspose: convolutionRule(transposedShape, transposed),
  DeformConv: {
    shape: convolutionShape(1),
    constant:
      "it samples where its input says, so a product of two activations; bound it on a ball with --around",
  },
};
