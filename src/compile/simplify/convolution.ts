import { type AxisPair, elementCount, type Node, type NodeOf } from "../graph.ts";
import type { Builder, Rule, Rules } from "./builder.ts";
import { groupedConvolution } from "./grouped-convolution.ts";
import { inversePermutation } from "./reshape-groups.ts";
import { type WindowAxis, windowTable } from "./window-tables.ts";

/**
 * A convolution as Σ x[n, c, i]·w[o, c, j] over all i, j with α·i = β·p + γ·j − q for every output place p, along each
 * axis: α the input's dilation, β the stride, γ the kernel's dilation, q the padding before.
 */
interface Convolution {
  readonly x: Node;
  readonly kernel: Node;
  readonly batchDims: number;
  readonly axes: readonly ConvolutionAxis[];
}

interface ConvolutionAxis {
  readonly inputs: number;
  readonly taps: number;
  readonly places: number;
  readonly alpha: number;
  readonly beta: number;
  readonly gamma: number;
  readonly padding: number;
}

function convolutionOf({ inputs: [x, kernel], parameters, shape }: NodeOf<"conv">): Convolution {
  const { batchDims, strides, padding, lhsDilation, rhsDilation } = parameters;
  const axes = strides.map((beta, i): ConvolutionAxis => {
    const axis = batchDims + 2 + i;
    return {
      inputs: x.shape[axis],
      taps: kernel.shape[axis],
      places: shape[axis],
      alpha: lhsDilation[i],
      beta,
      gamma: rhsDilation[i],
      padding: padding[i][0],
    };
  });
  return { x, kernel, batchDims, axes };
}

const count = (axes: readonly ConvolutionAxis[], size: (axis: ConvolutionAxis) => number) =>
  axes.reduce((product, axis) => product * size(axis), 1);

/** Elements of gathered windows above which a convolution is left to onnxruntime's own, which gathers piece by piece. */
const MOST_WINDOW_ELEMENTS = 2 ** 28;

const conv: Rule<"conv"> = (build, node) => {
  if ([node, ...node.inputs].some(({ shape }) => shape.includes(0))) {
    return build.filled(0, node.shape, node.dtype);
  }
  const convolution = convolutionOf(node);
  const { axes } = convolution;
  if (axes.every(({ alpha }) => alpha === 1)) {
    return isForRuntime(node, convolution)
      ? groupedConvolution(build, node)
      : inputWindows(build, convolution);
  }
  const phases = axes.every(({ beta }) => beta === 1);
  const perPlaceOfInput = count(axes, ({ taps, alpha }) => (phases ? Math.ceil(taps / alpha) : taps));
  const exact = axes.every(({ gamma }) => gamma === 1);
  if (exact && count(axes, ({ inputs }) => inputs) <= perPlaceOfInput)
    return kernelWindows(build, convolution);
  return phases ? phased(build, convolution) : inputWindows(build, convolution);
};

/** Whether the runtime's own operator is better: for groups, whose products would be small, and where memory runs out. */
function isForRuntime({ dtype }: Node, { x, axes, batchDims }: Convolution): boolean {
  if (dtype !== "float32" && dtype !== "float16") return false;
  const windows = (elementCount(x.shape) / count(axes, ({ inputs }) => inputs)) * count(axes, pairsOfInput);
  // The other way round it is the gradient of a kernel, for which that operator is slow.
  const forward = count(axes, ({ taps }) => taps) <= count(axes, ({ places }) => places);
  return (batchDims > 0 && forward) || windows > MOST_WINDOW_ELEMENTS;
}

function pairsOfInput({ places, taps }: ConvolutionAxis): number {
  return places * taps;
}

/** Gathers the input at (place, tap): im2col, then one product with the kernel. */
function inputWindows(build: Builder, { x, kernel, batchDims, axes }: Convolution): Node {
  const windows = axes.map(
    ({ inputs, taps, places, alpha, beta, gamma, padding }): WindowAxis => ({
      size: inputs,
      countA: places,
      countB: taps,
      strideA: beta,
      strideB: gamma,
      offset: -padding,
      dilation: alpha,
    }),
  );
  return windowed(build, x, channelsLast(build, kernel, batchDims), batchDims, windows);
}

/**
 * Gathers the kernel at (place, input): for a convolution whose input is dilated and whose "kernel" is large, as in the
 * filter gradient of a transposed convolution.
 */
function kernelWindows(build: Builder, { x, kernel, batchDims, axes }: Convolution): Node {
  // Places counted backwards, so that the windows are those of the convolution whose gradient this is.
  const windows = axes.map(
    ({ inputs, taps, places, alpha, beta, padding }): WindowAxis => ({
      size: taps,
      countA: places,
      countB: inputs,
      strideA: beta,
      strideB: alpha,
      offset: padding - beta * (places - 1),
      dilation: 1,
    }),
  );
  const turned = windowed(build, kernel, channelsLast(build, x, batchDims), batchDims, windows);
  const spatial = batchDims + 2;
  const parameters = {
    starts: turned.shape.map((size, axis) => (axis < spatial ? 0 : size - 1)),
    steps: turned.shape.map((_, axis) => (axis < spatial ? 1 : -1)),
  };
  const backwards = build.node("slice", [turned], parameters, turned.shape, turned.dtype);
  const order = turned.shape.map((_, axis) => axis);
  return build.transpose(backwards, order.with(batchDims, batchDims + 1).with(batchDims + 1, batchDims));
}

/** […batch, …, C, M] of an array […batch, M, C, …]. */
function channelsLast(build: Builder, x: Node, batchDims: number): Node {
  const axes = x.shape.map((_, axis) => axis);
  return build.transpose(x, [
    ...axes.slice(0, batchDims),
    ...axes.slice(batchDims + 2),
    batchDims + 1,
    batchDims,
  ]);
}

/**
 * The sum over channels and b of windows (a, b) of x […batch, N, C, …] and factor […batch, …b, C, M]: […batch, N, M, …a].
 * Windows are gathered with one of N and C in front and the other one last, whichever x is stored for.
 */
function windowed(
  build: Builder,
  x: Node,
  factor: Node,
  batchDims: number,
  windows: readonly WindowAxis[],
): Node {
  const [front, back] = [arranged(build, x, batchDims, "front"), arranged(build, x, batchDims, "back")];
  const summedInFront = transpositionCost(back) < transpositionCost(front);
  const source = summedInFront ? back : front;
  const gathered = windowsInBlocks(
    build,
    source,
    batchDims,
    summedInFront ? windows.map(turnedWindow) : windows,
  );
  const spatial = windows.length;
  const firstSpatial = batchDims + 1 + (summedInFront ? 0 : spatial);
  const channel = summedInFront ? batchDims : batchDims + 1 + 2 * spatial;
  const pairs = windows.map((_, i): AxisPair => [firstSpatial + i, batchDims + i]);
  pairs.push([channel, batchDims + spatial]);
  const batch = Array.from({ length: batchDims }, (_, axis): AxisPair => [axis, axis]);
  const free = gathered.shape.filter(
    (_, axis) => axis >= batchDims && !pairs.some(([left]) => left === axis),
  );
  const shape = [...gathered.shape.slice(0, batchDims), ...free, factor.shape[batchDims + spatial + 1]];
  const product = build.node("contract", [gathered, factor], { batch, summed: pairs }, shape, x.dtype);
  return build.transpose(product, resultOrder(batchDims, spatial, summedInFront));
}

/** From [batch, N, …a, M] or [batch, …a, N, M] to [batch, N, M, …a]. */
function resultOrder(batchDims: number, spatial: number, summedInFront: boolean): number[] {
  const rank = batchDims + spatial + 2;
  const first = summedInFront ? batchDims + spatial : batchDims;
  const places = Array.from({ length: spatial }, (_, i) => (summedInFront ? batchDims : batchDims + 1) + i);
  return [...Array.from({ length: batchDims }, (_, axis) => axis), first, rank - 1, ...places];
}

function turnedWindow(axis: WindowAxis): WindowAxis {
  return { ...axis, countA: axis.countB, countB: axis.countA, strideA: axis.strideB, strideB: axis.strideA };
}

/** […batch, N, …, C] ("front") or […batch, C, …, N] ("back") of an array […batch, N, C, …]. */
function arranged(build: Builder, x: Node, batchDims: number, side: "front" | "back"): Node {
  const axes = x.shape.map((_, axis) => axis);
  const [first, second] = [batchDims, batchDims + 1];
  const [lead, trail] = side === "front" ? [first, second] : [second, first];
  return build.transpose(x, [...axes.slice(0, batchDims), lead, ...axes.slice(batchDims + 2), trail]);
}

/** None, or less where the first axis stays: that moves small blocks. */
function transpositionCost(node: Node): number {
  if (node.op !== "transpose") return 0;
  return node.parameters.permutation[0] === 0 ? 1 : 2;
}

/** Elements that a gather moves at once below which it takes as long for one as for many. */
const SMALL_BLOCK = 16;

/** Windows of an array […batch, lead, …spatial, last], gathered in blocks of the leading axis where the last is short. */
function windowsInBlocks(build: Builder, x: Node, batchDims: number, axes: readonly WindowAxis[]): Node {
  const last = x.shape.length - 1;
  if (x.shape[last] >= SMALL_BLOCK || x.shape[batchDims] <= x.shape[last]) {
    return gatheredWindows(build, x, batchDims + 1, axes);
  }
  const order = x.shape.map((_, axis) => axis);
  const moved = build.transpose(x, order.with(batchDims, last).with(last, batchDims));
  const gathered = gatheredWindows(build, moved, batchDims + 1, axes);
  const end = gathered.shape.length - 1;
  const back = gathered.shape
    .map((_, axis) => axis)
    .with(batchDims, end)
    .with(end, batchDims);
  return build.arrange(gathered, back);
}

/** [lead, …a, …b, last] of an array [lead, …spatial, last] whose spatial axes start at `first`. */
export function gatheredWindows(build: Builder, x: Node, first: number, axes: readonly WindowAxis[]): Node {
  const table = windowTable(axes);
  const lead = x.shape.slice(0, first);
  const trail = x.shape.slice(first + axes.length);
  const size = axes.reduce((product, axis) => product * axis.size, 1);
  const shape = [...lead, ...table.shape, ...trail];
  if (inOrder(table.indices, size)) return build.reshape(x, shape);
  const flat = build.reshape(x, [...lead, size, ...trail]);
  return build.node("take", [flat], { axis: first, table }, shape, x.dtype);
}

function inOrder(indices: Int32Array, size: number): boolean {
  return indices.length === size && indices.every((place, i) => place === i);
}

/** A convolution of a dilated input, one for each residue of the output's places: none of them meets the zeros in between. */
function phased(build: Builder, convolution: Convolution): Node {
  const { axes, batchDims } = convolution;
  const phases = axes.map((axis) =>
    Array.from({ length: axis.alpha }, (_, residue) => phaseAlong(axis, residue)),
  );
  const result = interleaved(build, convolution, phases, []);
  const rank = result.shape.length;
  const spatial = batchDims + 1;
  const kept = build.block(
    result,
    result.shape.map((size, axis) => [
      0,
      axis >= spatial && axis < rank - 1 ? axes[axis - spatial].places : size,
    ]),
  );
  return build.transpose(kept, channelsSecond(batchDims, rank));
}

function channelsSecond(batchDims: number, rank: number): number[] {
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  return [...axes.slice(0, batchDims + 1), rank - 1, ...axes.slice(batchDims + 1, rank - 1)];
}

/** The taps that meet the places of one residue, and the windows they form. */
interface Phase {
  readonly firstTap: number;
  readonly tapStep: number;
  readonly window: WindowAxis;
}

function phaseAlong(axis: ConvolutionAxis, residue: number): Phase {
  const { inputs, taps, places, alpha, gamma, padding } = axis;
  const firstTap = Array.from({ length: Math.min(alpha, taps) }, (_, tap) => tap).find(
    (tap) => (residue + gamma * tap - padding) % alpha === 0,
  );
  const tapStep = alpha / greatestCommonDivisor(gamma, alpha);
  const used = firstTap === undefined ? 0 : Math.ceil((taps - firstTap) / tapStep);
  const window = {
    size: inputs,
    countA: Math.ceil(places / alpha),
    countB: used,
    strideA: 1,
    strideB: (gamma * tapStep) / alpha,
    offset: firstTap === undefined ? 0 : (residue + gamma * firstTap - padding) / alpha,
    dilation: 1,
  };
  return { firstTap: firstTap ?? 0, tapStep, window };
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** All phases of the axes after those chosen, interleaved: […batch, N, …places, O]. */
function interleaved(
  build: Builder,
  convolution: Convolution,
  phases: readonly (readonly Phase[])[],
  chosen: readonly Phase[],
): Node {
  const depth = chosen.length;
  if (depth === phases.length) return onePhase(build, convolution, chosen);
  const parts = phases[depth].map((phase) => interleaved(build, convolution, phases, [...chosen, phase]));
  if (parts.length === 1) return parts[0];
  const axis = convolution.batchDims + 1 + depth;
  const { shape } = parts[0];
  const apart = parts.map((part) => build.reshape(part, part.shape.toSpliced(axis + 1, 0, 1)));
  return build.reshape(build.concatenate(apart, axis + 1), shape.with(axis, shape[axis] * parts.length));
}

function onePhase(build: Builder, { x, kernel, batchDims }: Convolution, phases: readonly Phase[]): Node {
  const windows = phases.map(({ window }) => window);
  const places = windows.map(({ countA }) => countA);
  if (windows.some(({ countB }) => countB === 0)) {
    const shape = [...x.shape.slice(0, batchDims + 1), ...places, kernel.shape[batchDims]];
    return build.filled(0, shape, x.dtype);
  }
  const all = channelsLast(build, kernel, batchDims);
  const phase = (axis: number): Phase | undefined => phases[axis - batchDims];
  const used = all.shape.map((size, axis) => phase(axis)?.window.countB ?? size);
  const parameters = {
    starts: used.map((_, axis) => phase(axis)?.firstTap ?? 0),
    steps: used.map((_, axis) => phase(axis)?.tapStep ?? 1),
  };
  const taps = build.node("slice", [all], parameters, used, kernel.dtype);
  const result = windowed(build, x, taps, batchDims, windows);
  return build.transpose(result, inversePermutation(channelsSecond(batchDims, result.shape.length)));
}

/** Convolutions and their gradients as gathered windows and one product each. */
export const CONVOLUTIONS: Rules = { conv: [conv] };
