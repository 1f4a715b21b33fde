import { floatAttribute, intAttribute, intsAttribute } from "../attributes.ts";
import { broadcastOffsets, broadcastShapes, normalizeAxes, normalizeAxis } from "../shapes/value.ts";
import { permutedSources, sizeOf } from "./index-maps.ts";
import { DEFAULT_EPSILON, DEVIATION_EPSILON } from "./normalization-constant.ts";
import { l1Normalized } from "./normalization-l1.ts";
import { type Denominator, euclidean, insideRoot, normalized, outsideRoot } from "./normalized-groups.ts";
import type { GeneralOperation } from "./operation.ts";
import { inOrder } from "./rearranged-operation.ts";
import { gathered } from "./rearranged-part.ts";
import type { Binding, OperationRule } from "./rule.ts";

/** Whether the mean is subtracted. */
interface Kind {
  readonly centred: boolean;
}

/** What is wrong with a node whose parameters are not constants, or whose statistics are used. */
export function refusal(
  { inputs, signals, outputs }: Binding,
  parameters: readonly number[],
): string | undefined {
  if (signals.some((i) => parameters.includes(i)) || parameters.some((i) => inputs[i] && !inputs[i].data))
    return "its scale or bias depends on the network's input";
  if (outputs[1] !== undefined || outputs[2] !== undefined) return "its mean or deviation is an output too";
  return sizeOf(inputs[0]?.shape ?? []) === 0 ? "its input is empty" : undefined;
}

/** A parameter as one number for each entry of a tensor of `shape`; null when it does not broadcast to it. */
export function spread(
  parameter: Binding["inputs"][number],
  shape: readonly number[],
): Float64Array | undefined | null {
  if (parameter === undefined) return undefined;
  const lead = parameter.shape.length - shape.length;
  if (parameter.shape.slice(0, Math.max(lead, 0)).some((d) => d !== 1)) return null;
  const own = parameter.shape.slice(Math.max(lead, 0));
  if (broadcastShapes(own, shape)?.join() !== shape.join()) return null;
  return gathered(parameter.data!, Int32Array.from(broadcastOffsets(own, shape)));
}

export const MISFIT = "its scale or bias does not fit its input";

export function epsilonOf({ node }: Binding, otherwise: number): Denominator {
  return insideRoot(floatAttribute(node, "epsilon") ?? otherwise);
}

/** Over the axes from `axis` on; scale and bias broadcast to those. */
export function layerOperation({ centred }: Kind): OperationRule {
  return (binding) => {
    const wrong = refusal(binding, [1, 2]);
    if (wrong !== undefined) return wrong;
    const { node, inputs } = binding;
    const x = inputs[0]?.shape ?? [];
    const axis = normalizeAxis(intAttribute(node, "axis") ?? -1, x.length);
    if (axis === null) return "its axis lies outside its input";
    const shape = x.slice(axis);
    const [scale, bias] = [spread(inputs[1], shape), spread(inputs[2], shape)];
    if (scale === null || bias === null) return MISFIT;
    const denominator = epsilonOf(binding, DEFAULT_EPSILON);
    return normalized({ size: sizeOf(x), n: sizeOf(shape), centred, denominator, scale, bias });
  };
}

/** Over the spatial axes of each channel, or of each group of channels; parameters for every channel or group. */
function channelGroups(binding: Binding, groups: number): GeneralOperation | string {
  const wrong = refusal(binding, [1, 2]);
  if (wrong !== undefined) return wrong;
  const { inputs } = binding;
  const [, channels = 1, ...spatial] = inputs[0]?.shape ?? [];
  const pixels = sizeOf(spatial);
  if (channels % groups !== 0) return `${channels} channels do not divide into ${groups} groups`;
  const perEntry = (parameter: Binding["inputs"][number]) => {
    const data = parameter?.data;
    if (data === undefined) return undefined;
    const block = (channels * pixels) / data.length;
    const fits = data.length === channels || data.length === groups;
    return fits
      ? Float64Array.from({ length: channels * pixels }, (_, i) => data[Math.floor(i / block)])
      : null;
  };
  const [scale, bias] = [perEntry(inputs[1]), perEntry(inputs[2])];
  if (scale === null || bias === null) return MISFIT;
  return normalized({
    size: sizeOf(inputs[0]?.shape ?? []),
    n: (channels / groups) * pixels,
    centred: true,
    denominator: epsilonOf(binding, DEFAULT_EPSILON),
    scale,
    bias,
  });
}

export const instanceOperation: OperationRule = (binding) =>
  channelGroups(binding, binding.inputs[0]?.shape[1] ?? 1);

/** Operator set 18 has a scale for each group, 21 one for each channel. */
export const groupOperation: OperationRule = (binding) => {
  const groups = intAttribute(binding.node, "num_groups") ?? 0;
  return groups < 1 ? "its num_groups is missing" : channelGroups(binding, groups);
};

/** An operation on groups made of these axes. */
function overAxes(
  shape: readonly number[],
  axes: readonly number[],
  make: (n: number) => GeneralOperation,
): GeneralOperation {
  const order = [...Array.from(shape.keys()).filter((axis) => !axes.includes(axis)), ...axes];
  const n = sizeOf(axes.map((axis) => shape[axis]));
  const inPlace = order.every((axis, i) => axis === i);
  return inOrder(make(n), inPlace ? undefined : permutedSources(shape, order));
}

export const meanVarianceOperation: OperationRule = (binding) => {
  const x = binding.inputs[0]?.shape ?? [];
  const axes = normalizeAxes(intsAttribute(binding.node, "axes") ?? [0, 2, 3], x.length);
  if (axes === null) return "its axes lie outside its input";
  if (sizeOf(x) === 0) return "its input is empty";
  const denominator = outsideRoot(DEVIATION_EPSILON);
  return overAxes(x, axes, (n) => normalized({ size: sizeOf(x), n, centred: true, denominator }));
};

export const lpOperation: OperationRule = ({ node, inputs }) => {
  const x = inputs[0]?.shape ?? [];
  const axis = normalizeAxis(intAttribute(node, "axis") ?? -1, x.length);
  const p = intAttribute(node, "p") ?? 2;
  if (axis === null) return "its axis lies outside its input";
  if (p !== 1 && p !== 2) return `p is ${p}, not 1 or 2`;
  const size = sizeOf(x);
  if (size === 0) return "its input is empty";
  return overAxes(x, [axis], (n) =>
    p === 1 ? l1Normalized(size, n) : normalized({ size, n, centred: false, denominator: euclidean(n) }),
  );
};
