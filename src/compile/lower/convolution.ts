import { elementCount, type NodeOf } from "../graph.ts";
import { UnsupportedPrimitiveError } from "../unsupported.ts";
import type { Lower, Lowering, Lowerings } from "./lowering.ts";

/** A convolution by onnxruntime's own operator: groups for the batch axes, zeros between the elements of a dilated input. */
const conv: Lower<"conv"> = (lowering, node) => {
  const { parameters, inputs, shape, dtype } = node;
  const { batchDims, strides, padding, rhsDilation } = parameters;
  if (dtype !== "float32" && dtype !== "float64") throw new UnsupportedPrimitiveError("conv", inputs);
  const groups = elementCount(shape.slice(0, batchDims));
  const [n, outputs] = shape.slice(batchDims);
  const places = shape.slice(batchDims + 2);
  const kernel = inputs[1].shape;
  const prepared = cropped(lowering, node, dilatedInput(lowering, node, groups));
  const weights = lowering.reshaped(inputs[1], [groups * outputs, ...kernel.slice(batchDims + 1)]);
  const operands = [prepared.name, weights].map((name) =>
    dtype === "float32" ? name : lowering.cast(name, "float32"),
  );
  const pads = padding.map((pair) => pair.map((width) => Math.max(width, 0)));
  const result = lowering.emitter.op("Conv", operands, {
    strides,
    dilations: rhsDilation,
    group: groups,
    pads: [...pads.map(([low]) => low), ...pads.map(([, high]) => high)],
  });
  const typed = dtype === "float32" ? result : lowering.cast(result, dtype);
  const apart = lowering.reshape(typed, [n, groups, outputs, ...places]);
  const order = [1, 0, ...places.map((_, axis) => axis + 3)];
  const grouped =
    groups === 1
      ? apart
      : lowering.emitter.op("Transpose", [apart], { perm: [order[0], order[1], 2, ...order.slice(2)] });
  return lowering.reshape(grouped, shape);
};

interface Image {
  readonly name: string;
  readonly sizes: readonly number[];
}

/** The input as [N, groups·C, …]. */
function dilatedInput(
  lowering: Lowering,
  { inputs: [x], parameters }: NodeOf<"conv">,
  groups: number,
): Image {
  const { batchDims, lhsDilation } = parameters;
  const [n, channels, ...sizes] = x.shape.slice(batchDims);
  const apart = lowering.reshaped(x, [groups, n, channels, ...sizes]);
  const order = [1, 0, ...[channels, ...sizes].map((_, axis) => axis + 2)];
  const first = groups === 1 ? apart : lowering.emitter.op("Transpose", [apart], { perm: order });
  const spread = lhsDilation.some((dilation) => dilation > 1);
  const name = spread
    ? spreadOut(lowering, first, [n, groups * channels], sizes, lhsDilation)
    : lowering.reshape(first, [n, groups * channels, ...sizes]);
  return { name, sizes: sizes.map((size, i) => (size - 1) * lhsDilation[i] + 1) };
}

/** Puts zeros between the elements of the spatial axes. */
function spreadOut(
  lowering: Lowering,
  name: string,
  lead: readonly number[],
  sizes: readonly number[],
  dilation: readonly number[],
): string {
  const { emitter } = lowering;
  const pairs = lowering.reshape(name, [...lead, ...sizes.flatMap((size) => [size, 1])]);
  const before = Array<number>(lead.length + 2 * sizes.length).fill(0);
  const after = [...lead.map(() => 0), ...dilation.flatMap((d) => [0, d - 1])];
  const padded = emitter.op("Pad", [pairs, emitter.integers([...before, ...after])]);
  const joined = lowering.reshape(padded, [...lead, ...sizes.map((size, i) => size * dilation[i])]);
  const ends = sizes.map((size, i) => (size - 1) * dilation[i] + 1);
  return sliced(
    lowering,
    joined,
    ends.map(() => 0),
    ends,
  );
}

/** Without what negative padding cuts off. */
function cropped(lowering: Lowering, { parameters: { padding } }: NodeOf<"conv">, image: Image): Image {
  if (padding.every((pair) => pair.every((width) => width >= 0))) return image;
  const starts = padding.map(([low]) => Math.max(-low, 0));
  const ends = padding.map(([, high], i) => image.sizes[i] - Math.max(-high, 0));
  return { name: sliced(lowering, image.name, starts, ends), sizes: ends.map((end, i) => end - starts[i]) };
}

function sliced(
  lowering: Lowering,
  name: string,
  starts: readonly number[],
  ends: readonly number[],
): string {
  const { emitter } = lowering;
  const axes = starts.map((_, i) => i + 2);
  return emitter.op("Slice", [name, ...[starts, ends, axes].map((list) => emitter.integers(list))]);
}

export const CONVOLUTION: Lowerings = { conv };
