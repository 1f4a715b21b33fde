import { type AxisPair, elementCount, type Node, type NodeOf, type Shape } from "../graph.ts";
import type { Builder, Rule, Rules } from "./builder.ts";
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
  if (elementCount(node.shape) === 0) return undefined;
  const convolution = convolutionOf(node);
  const { x, axes, batchDims } = convolution;
  const dilated = axes.some(({ alpha }) => alpha > 1);
  if (!dilated) {
    const windows = (elementCount(x.shape) / count(axes, ({ inputs }) => inputs)) * count(axes, pairsOfInput);
    const grouped = batchDims > 0 && count(axes, ({ taps }) => taps) <= count(axes, ({ places }) => places);
    return grouped || windows > MOST_WINDOW_ELEMENTS ? undefined : inputWindows(build, convolution);
  }
  const phases = axes.every(({ beta }) => beta === 1);
  const perPlaceOfInput = count(axes, ({ taps, alpha }) => (phases ? Math.ceil(taps / alpha) : taps));
  const exact = axes.every(({ gamma }) => gamma === 1);
  if (exact && count(axes, ({ inputs }) => inputs) <= perPlaceOfInput)
    return kernelWindows(build, convolution);
  return phases ? phased(build, convolution) : inputWindows(build, convolution);
};

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
  return windowed(build, x, kernel, batchDims, windows);
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
  const turned = windowed(build, kernel, x, batchDims, windows);
  const spatial = batchDims + 2;
  const backwards = build.node(
    "slice",
    [turned],
    {
      starts: turned.shape.map((size, axis) => (axis < spatial ? 0 : size - 1)),
      steps: turned.shape.map((_, axis) => (axis < spatial ? 1 : -1)),
    },
    turned.shape,
    turned.dtype,
  );
  return build.transpose(backwards, exchanged(batchDims, turned.shape.length));
}

/** A permutation that exchanges the two axes after the batch axes. */
function exchanged(batchDims: number, rank: number): number[] {
  const permutation = Array.from({ length: rank }, (_, axis) => axis);
  permutation[batchDims] = batchDims + 1;
  permutation[batchDims + 1] = batchDims;
  return permutation;
}

/**
 * The sum over channels and b of windows (a, b) of x […batch, N, C, …] and factor […batch, M, C, …b]: […batch, N, M, …a].
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
  const countInFront = transpositionCost(back) < transpositionCost(front);
  const source = countInFront ? back : front;
  const axes = countInFront ? windows.map(turnedWindow) : windows;
  const gathered = gatheredWindows(build, source, batchDims + 1, axes);
  const spatial = windows.length;
  const last = batchDims + 1 + 2 * spatial;
  const firstSpatial = batchDims + 1 + (countInFront ? 0 : spatial);
  const channel = countInFront ? batchDims : last;
  const pairs: AxisPair[] = [[channel, batchDims + 1]];
  for (let i = 0; i < spatial; i++) pairs.push([firstSpatial + i, batchDims + 2 + i]);
  const batch = Array.from({ length: batchDims }, (_, axis): AxisPair => [axis, axis]);
  const free = freeShape(gathered.shape, [...batch, ...pairs]);
  const shape = [...gathered.shape.slice(0, batchDims), ...free, factor.shape[batchDims]];
  const product = build.node("contract", [gathered, factor], { batch, summed: pairs }, shape, x.dtype);
  return build.transpose(product, resultOrder(batchDims, spatial, countInFront));
}

/** From [batch, N, …a, M] or [batch, …a, N, M] to [batch, N, M, …a]. */
function resultOrder(batchDims: number, spatial: number, countInFront: boolean): number[] {
  const rank = batchDims + spatial + 2;
  const first = countInFront ? batchDims + spatial : batchDims;
  const places = Array.from({ length: spatial }, (_, i) => (countInFront ? batchDims : batchDims + 1) + i);
  return [...Array.from({ length: batchDims }, (_, axis) => axis), first, rank - 1, ...places];
}

function freeShape(shape: Shape, pairs: readonly AxisPair[]): number[] {
  return shape.filter((_, axis) => !pairs.some(([left]) => left === axis));
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
    const unit = shape.map(() => 1);
    return build.expand(build.reshape(build.scalar(0, x.dtype), unit), shape);
  }
  const spatial = batchDims + 2;
  const used = kernel.shape.map((size, axis) => (axis < spatial ? size : windows[axis - spatial].countB));
  const parameters = {
    starts: used.map((_, axis) => (axis < spatial ? 0 : phases[axis - spatial].firstTap)),
    steps: used.map((_, axis) => (axis < spatial ? 1 : phases[axis - spatial].tapStep)),
  };
  const taps = build.node("slice", [kernel], parameters, used, kernel.dtype);
  const result = windowed(build, x, taps, batchDims, windows);
  return build.transpose(result, inversePermutation(channelsSecond(batchDims, result.shape.length)));
}

/** Convolutions and their gradients as gathered windows and one product each. */
export const CONVOLUTIONS: Rules = { conv: [conv] };
