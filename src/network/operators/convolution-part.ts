import type { Bound } from "../../linalg/bound.ts";
import { type ConvolutionOperator, convolution } from "../../linalg/convolution.ts";
import { matrixFrobeniusUp } from "../../linalg/frobenius.ts";
import type { ConvolutionGeometry } from "../../linalg/geometry.ts";
import type { LinearOperator } from "../../linalg/operator.ts";
import { reshapedFactorUp } from "../../linalg/reshaped.ts";
import { addUp, down, gamma, mulUp, scaleToUnit, sqrtUp, sumOfSquaresUp, up } from "../../linalg/rounding.ts";
import { spectralNorm } from "../../linalg/spectral-norm.ts";
import { sizeOf } from "./index-maps.ts";
import type { Diagonal, LinearPart } from "./operation.ts";
import { compact } from "./parts.ts";

/** A convolution with a kernel that is at hand. */
export interface Kernel {
  /** Row-major, `shape`. */
  readonly entries: Float64Array;
  /** [c_out, c_in/groups, k…] of the forward convolution. */
  readonly shape: readonly number[];
  /** With the input size of the forward convolution. */
  readonly geometry: ConvolutionGeometry & { readonly inputSize: readonly number[] };
}

/** Extra roundings allowed for sums that kernels split in parts. */
const SPLIT = 4;

/**
 * A convolution of a batch of examples, or the transposed one, its adjoint. Vectors as NCHW.
 * @param roundings of each entry of the kernel: 0 for stored numbers, more where they were computed.
 * @throws OperatorError when kernel and geometry do not fit.
 */
export function convolutionPart(
  kernel: Kernel,
  batch: number,
  transposed: boolean,
  roundings = 0,
): LinearPart {
  const { entries, shape, geometry } = kernel;
  const forward = convolution(compact(entries), shape, geometry);
  const [out, perGroup] = shape;
  const width = Math.max(perGroup, out / geometry.groups) * sizeOf(shape.slice(2));
  let magnitude: LinearOperator | undefined;
  return {
    ...perExample(transposed ? turned(forward) : forward, batch),
    get magnitude() {
      if (magnitude === undefined) {
        const absolute = convolution(compact(entries.map(Math.abs)), shape, geometry);
        magnitude = perExample(transposed ? turned(absolute) : absolute, batch);
      }
      return magnitude;
    },
    roundings: width + SPLIT + roundings,
    rowNorms: () => {
      const norms = transposed ? columnNorms(forward) : channelNorms(forward);
      const grown = addUp(1, 2 * gamma(roundings));
      return repeated(roundings === 0 ? norms : norms.map((n) => mulUp(n, grown)), batch);
    },
    norm: (options) => withKernelError(spectralNorm(forward, options), forward, roundings),
    ...(roundings === 0 ? { exactEntries: true as const } : {}),
    scaleRows: (diagonal) => {
      const scaled = transposed ? null : scaledKernel(kernel, batch, diagonal);
      return scaled && convolutionPart(scaled, batch, false, roundings + diagonal.roundings + 1);
    },
  };
}

/** The bound of the true convolution from that of one whose kernel's entries are off by so many roundings. */
function withKernelError(
  bound: Bound,
  { kernel, geometry, kernelShape }: ConvolutionOperator,
  roundings: number,
): Bound {
  if (roundings === 0) return bound;
  const { strides, dilations } = geometry;
  // Computed entries may have underflowed.
  const size = addUp(matrixFrobeniusUp(kernel), kernel.length * 2 ** -900);
  const most = mulUp(reshapedFactorUp(kernelShape.slice(2), strides, dilations), size);
  const off = mulUp(2 * gamma(roundings), most);
  return {
    ...bound,
    lower: down(Math.max(0, bound.lower - off)),
    upper: bound.upper === null ? null : addUp(bound.upper, off),
  };
}

/** The kernel with its output channels multiplied, where one factor per channel is what the diagonal says. */
function scaledKernel(
  { entries, shape, geometry }: Kernel,
  batch: number,
  { factors }: Diagonal,
): Kernel | null {
  const [channels] = shape;
  const positions = factors.length / (batch * channels);
  if (!Number.isInteger(positions)) return null;
  const of = (c: number) => factors[c * positions];
  if (!factors.every((f, i) => f === of(Math.floor(i / positions) % channels))) return null;
  const width = entries.length / channels;
  return { entries: entries.map((a, i) => a * of(Math.floor(i / width))), shape, geometry };
}

function turned(of: LinearOperator): LinearOperator {
  return { rows: of.cols, cols: of.rows, apply: (x) => of.adjoint(x), adjoint: (y) => of.apply(y) };
}

/** The same operator on each of `batch` stretches of a vector. */
function perExample(of: LinearOperator, batch: number): LinearOperator {
  const each = (act: (v: Float64Array) => Float64Array, from: number, to: number) => (v: Float64Array) => {
    if (batch === 1) return act(v);
    const result = new Float64Array(batch * to);
    for (let n = 0; n < batch; n++) result.set(act(v.subarray(n * from, (n + 1) * from)), n * to);
    return result;
  };
  return {
    rows: batch * of.rows,
    cols: batch * of.cols,
    apply: each((x) => of.apply(x), of.cols, of.rows),
    adjoint: each((y) => of.adjoint(y), of.rows, of.cols),
  };
}

function repeated(values: Float64Array, times: number): Float64Array {
  if (times === 1) return values;
  const all = new Float64Array(times * values.length);
  for (let n = 0; n < times; n++) all.set(values, n * values.length);
  return all;
}

/** Norms of the rows: a channel's kernel, of which the border leaves out some. */
function channelNorms({ kernel, channelsOut, outputSize }: ConvolutionOperator): Float64Array {
  const width = kernel.length / channelsOut;
  const positions = sizeOf(outputSize);
  const norms = new Float64Array(channelsOut * positions);
  for (let o = 0; o < channelsOut; o++) {
    norms.fill(
      matrixFrobeniusUp(kernel.subarray(o * width, (o + 1) * width)),
      o * positions,
      (o + 1) * positions,
    );
  }
  return norms;
}

/** For each row-major position of `sizes`, which of ∏strides classes it belongs to. */
function classes(
  sizes: readonly number[],
  strides: readonly number[],
  place: (axis: number, i: number) => number,
) {
  let all = Int32Array.of(0);
  sizes.forEach((size, axis) => {
    const next = new Int32Array(all.length * size);
    for (let c = 0; c < all.length; c++) {
      for (let i = 0; i < size; i++) {
        next[c * size + i] = all[c] * strides[axis] + (place(axis, i) % strides[axis]);
      }
    }
    all = next;
  });
  return all;
}

/** Norms of the columns: with a stride, an input pixel meets only the taps of its residue class. */
function columnNorms({
  kernel,
  kernelShape,
  geometry,
  inputSize,
  channelsIn,
}: ConvolutionOperator): Float64Array {
  const { strides, dilations, padding, groups } = geometry;
  const [out, perGroup, ...sizes] = kernelShape;
  const taps = classes(sizes, strides, (axis, q) => q * dilations[axis]);
  const pixels = classes(inputSize, strides, (axis, p) => p + padding[axis][0]);
  const count = sizeOf(strides);
  const height = out / groups;
  const scale = scaleToUnit(kernel.reduce((m, a) => Math.max(m, Math.abs(a)), 0) || 1);
  const squares = new Float64Array(channelsIn * count);
  for (let o = 0; o < out; o++) {
    const first = Math.floor(o / height) * perGroup;
    for (let i = 0; i < perGroup; i++) {
      const from = (o * perGroup + i) * taps.length;
      for (let q = 0; q < taps.length; q++)
        squares[(first + i) * count + taps[q]] += (kernel[from + q] * scale) ** 2;
    }
  }
  // What underflows in squares is far below 2⁻⁵⁰⁰ of the largest entry.
  const roots = squares.map((s) =>
    up(sqrtUp(addUp(sumOfSquaresUp(s, height * taps.length), 2 ** -500)) / scale),
  );
  const norms = new Float64Array(channelsIn * pixels.length);
  for (let c = 0; c < channelsIn; c++) {
    for (let p = 0; p < pixels.length; p++) norms[c * pixels.length + p] = roots[c * count + pixels[p]];
  }
  return norms;
}
