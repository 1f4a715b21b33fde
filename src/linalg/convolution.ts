import { kernels, plainKernels } from "../kernels/index.ts";
import type { RowBlock } from "../kernels/types.ts";
import { checkKernel, checkVector, convolutionOutputSize } from "./convolution-shape.ts";
import { checkInteger, checkLength, OperatorError } from "./errors.ts";
import type { ConvolutionGeometry } from "./geometry.ts";
import type { LinearOperator } from "./operator.ts";
import { product, Taps } from "./taps.ts";

/** Numbers in a tile of unfolded input (512 KiB): large enough to read the kernel rarely, small enough for cache. */
const TILE_NUMBERS = 2 ** 16;

/** Fewest positions in a tile; below it the kernel matrix would be read too often. */
const TILE_POSITIONS = 32;

/** Smaller group matrices (depthwise layers have thousands) stay in plain JS: a kernel call would cost more. */
const KERNEL_ENTRIES = 64;

/** A convolution's geometry with its input size known. */
export interface SizedGeometry extends ConvolutionGeometry {
  readonly inputSize: readonly number[];
}

/**
 * The true convolution as a matrix: (c_out · output positions) × (c_in · input pixels), vectors channel-major as in
 * NCHW: index = channel · ∏size + row-major position.
 */
export interface ConvolutionOperator extends LinearOperator {
  readonly kind: "convolution";
  /** Row-major, shape `kernelShape`; the stored numbers, exactly. */
  readonly kernel: Float64Array;
  /** [c_out, c_in/groups, k…]. */
  readonly kernelShape: readonly number[];
  readonly geometry: SizedGeometry;
  /** Spatial sizes per axis. */
  readonly inputSize: readonly number[];
  readonly outputSize: readonly number[];
  readonly channelsIn: number;
  /** Channels this operator produces: all of the kernel's, or those asked for by `outputChannels`. */
  readonly channelsOut: number;
  /** Which of the kernel's output channels is this operator's first. */
  readonly firstChannelOut: number;
  /** w = AᵀA v, the kernel read once per tile; both of length `cols`. */
  gram(v: Float64Array, w: Float64Array): void;
  /** Leaves the kernels' memory to others; the operator must not be used afterwards. */
  release(): void;
}

/** A convolution whose input size is not known: not a matrix, but its norm has bounds that hold at every size. */
export interface SizeFreeConvolution {
  readonly kind: "convolution-any-size";
  readonly kernel: Float64Array;
  readonly kernelShape: readonly number[];
  readonly geometry: ConvolutionGeometry;
}

export interface ConvolutionOptions {
  /** Only these output channels, [from, to): a block of the operator's rows. The kernel given is still the whole. */
  readonly outputChannels?: readonly [number, number];
}

/**
 * The convolution (cross-correlation, as every framework's "Conv") with this kernel, for any number of spatial axes.
 * @param kernel row-major, shape `kernelShape`; copied. Float32 kernels take half the memory of a pass.
 * @param kernelShape [c_out, c_in/groups, k…]
 * @param geometry with `inputSize`
 * @throws OperatorError when shapes and geometry do not fit.
 */
export function convolution(
  kernel: Float64Array | Float32Array,
  kernelShape: readonly number[],
  geometry: ConvolutionGeometry,
  options: ConvolutionOptions = {},
): ConvolutionOperator {
  checkKernel(kernel.length, kernelShape, geometry);
  const { inputSize } = geometry;
  if (inputSize === undefined) {
    throw new OperatorError("input size", "none", "one size per spatial axis (or use convolutionAnySize)");
  }
  const outputSize = convolutionOutputSize(inputSize, kernelShape.slice(2), geometry);
  checkVector("convolution output", kernelShape[0]! * product(outputSize));
  checkVector("convolution input", kernelShape[1]! * geometry.groups * product(inputSize));
  const channels = options.outputChannels ?? [0, kernelShape[0]!];
  const [from, to] = channels;
  checkInteger("output channels, first", from, 0);
  checkInteger("output channels, end", to, from + 1);
  if (to > kernelShape[0]!) throw new OperatorError("output channels, end", to, `at most ${kernelShape[0]}`);
  return new UnfoldedConvolution(kernel, kernelShape, { ...geometry, inputSize }, outputSize, channels);
}

/**
 * A convolution at unknown input size, for bounds that hold at every size.
 * @throws OperatorError when kernel shape and geometry do not fit.
 */
export function convolutionAnySize(
  kernel: Float64Array | Float32Array,
  kernelShape: readonly number[],
  geometry: ConvolutionGeometry,
): SizeFreeConvolution {
  checkKernel(kernel.length, kernelShape, geometry);
  return { kind: "convolution-any-size", kernel: Float64Array.from(kernel), kernelShape, geometry };
}

/** The output channels of one group as a matrix, and where they sit. */
interface GroupBlock {
  readonly block: RowBlock;
  /** First channel it reads. */
  readonly channelIn: number;
  /** First of the operator's output channels it writes. */
  readonly channelOut: number;
}

/**
 * Convolution by unfolding (im2col) a tile of output positions at a time: A = Σ_tiles W · U_tile with U_tile a 0/1
 * matrix, so that every pass is a block product with the kernel as a matrix, whatever the geometry.
 */
class UnfoldedConvolution implements ConvolutionOperator {
  readonly kind = "convolution";
  readonly rows: number;
  readonly cols: number;
  readonly kernel: Float64Array;
  readonly kernelShape: readonly number[];
  readonly geometry: SizedGeometry;
  readonly inputSize: readonly number[];
  readonly outputSize: readonly number[];
  readonly channelsIn: number;
  readonly channelsOut: number;
  readonly firstChannelOut: number;
  readonly #taps: Taps;
  readonly #blocks: readonly GroupBlock[];
  readonly #tile: number;
  readonly #table: Int32Array;
  readonly #unfolded: Float64Array;
  readonly #folded: Float64Array;
  readonly #product: Float64Array;
  /** Input channels, each followed by one slot that reads zero and swallows what is scattered outside. */
  readonly #input: Float64Array;
  readonly #output: Float64Array;

  constructor(
    kernel: Float64Array | Float32Array,
    kernelShape: readonly number[],
    geometry: SizedGeometry,
    outputSize: readonly number[],
    channels: readonly [number, number],
  ) {
    this.kernel = Float64Array.from(kernel);
    this.kernelShape = kernelShape;
    this.geometry = geometry;
    this.inputSize = geometry.inputSize;
    this.outputSize = outputSize;
    this.channelsIn = kernelShape[1]! * geometry.groups;
    this.channelsOut = channels[1] - channels[0];
    this.firstChannelOut = channels[0];
    const taps = new Taps(geometry.inputSize, kernelShape.slice(2), outputSize, geometry);
    this.#taps = taps;
    this.rows = this.channelsOut * taps.positions;
    this.cols = this.channelsIn * taps.pixels;
    this.#blocks = groupBlocks(kernel, kernelShape, geometry.groups, channels);
    const height = kernelShape[1]! * taps.count;
    this.#tile = Math.min(taps.positions, Math.max(TILE_POSITIONS, Math.floor(TILE_NUMBERS / height)));
    this.#table = new Int32Array(taps.count * this.#tile);
    this.#unfolded = new Float64Array(height * this.#tile);
    this.#folded = new Float64Array(height * this.#tile);
    this.#product = new Float64Array(Math.max(...this.#blocks.map(({ block }) => block.rows)) * this.#tile);
    this.#input = new Float64Array(this.channelsIn * (taps.pixels + 1));
    this.#output = new Float64Array(this.channelsIn * (taps.pixels + 1));
  }

  release(): void {
    for (const { block } of this.#blocks) block.release();
  }

  apply(x: Float64Array): Float64Array {
    checkLength("convolution input", x.length, this.cols);
    const y = new Float64Array(this.rows);
    this.#spread(x);
    this.#forEachTile((group, from, count, unfolded) => {
      this.#gather(group, count, unfolded);
      const part = this.#product.subarray(0, group.block.rows * count);
      group.block.applyBlock(unfolded, count, part);
      for (let row = 0; row < group.block.rows; row++) {
        const to = (group.channelOut + row) * this.#taps.positions + from;
        y.set(part.subarray(row * count, (row + 1) * count), to);
      }
    });
    return y;
  }

  adjoint(y: Float64Array): Float64Array {
    checkLength("convolution output", y.length, this.rows);
    this.#output.fill(0);
    this.#forEachTile((group, from, count, unfolded) => {
      const part = this.#product.subarray(0, group.block.rows * count);
      for (let row = 0; row < group.block.rows; row++) {
        const at = (group.channelOut + row) * this.#taps.positions + from;
        part.set(y.subarray(at, at + count), row * count);
      }
      group.block.adjointBlock(part, count, unfolded);
      this.#scatter(group, count, unfolded);
    });
    const x = new Float64Array(this.cols);
    this.#collect(x);
    return x;
  }

  gram(v: Float64Array, w: Float64Array): void {
    checkLength("convolution input", v.length, this.cols);
    checkLength("convolution gram result", w.length, this.cols);
    this.#spread(v);
    this.#output.fill(0);
    this.#forEachTile((group, _from, count, unfolded) => {
      this.#gather(group, count, unfolded);
      const part = this.#folded.subarray(0, unfolded.length);
      group.block.gramBlock(unfolded, count, part);
      this.#scatter(group, count, part);
    });
    this.#collect(w);
  }

  #forEachTile(
    visit: (group: GroupBlock, from: number, count: number, unfolded: Float64Array) => void,
  ): void {
    const { positions } = this.#taps;
    for (let from = 0; from < positions; from += this.#tile) {
      const count = Math.min(this.#tile, positions - from);
      this.#taps.fill(from, count, this.#table);
      const unfolded = this.#unfolded.subarray(0, (this.#unfolded.length / this.#tile) * count);
      for (const group of this.#blocks) visit(group, from, count, unfolded);
    }
  }

  #spread(x: Float64Array): void {
    const { pixels } = this.#taps;
    for (let c = 0; c < this.channelsIn; c++) {
      this.#input.set(x.subarray(c * pixels, (c + 1) * pixels), c * (pixels + 1));
    }
  }

  #collect(x: Float64Array): void {
    const { pixels } = this.#taps;
    for (let c = 0; c < this.channelsIn; c++) {
      const at = c * (pixels + 1);
      x.set(this.#output.subarray(at, at + pixels), c * pixels);
    }
  }

  /** unfolded = U x for the group's channels: (c_in/groups · taps) × count. */
  #gather(group: GroupBlock, count: number, unfolded: Float64Array): void {
    const { pixels } = this.#taps;
    const length = this.#taps.count * count;
    const input = this.#input;
    const table = this.#table;
    let to = 0;
    let base = group.channelIn * (pixels + 1);
    while (to < unfolded.length) {
      for (let i = 0; i < length; i++) unfolded[to + i] = input[base + table[i]!]!;
      to += length;
      base += pixels + 1;
    }
  }

  /** output += Uᵀ unfolded. */
  #scatter(group: GroupBlock, count: number, unfolded: Float64Array): void {
    const { pixels } = this.#taps;
    const length = this.#taps.count * count;
    const output = this.#output;
    const table = this.#table;
    let from = 0;
    let base = group.channelIn * (pixels + 1);
    while (from < unfolded.length) {
      for (let i = 0; i < length; i++) output[base + table[i]!]! += unfolded[from + i]!;
      from += length;
      base += pixels + 1;
    }
  }
}

function groupBlocks(
  kernel: Float64Array | Float32Array,
  kernelShape: readonly number[],
  groups: number,
  [from, to]: readonly [number, number],
): GroupBlock[] {
  const perGroup = kernelShape[0]! / groups;
  const width = kernel.length / kernelShape[0]!;
  const blocks: GroupBlock[] = [];
  for (let group = Math.floor(from / perGroup); group * perGroup < to; group++) {
    const first = Math.max(from, group * perGroup);
    const end = Math.min(to, (group + 1) * perGroup);
    const type = kernel instanceof Float32Array ? "float32" : "float64";
    const maker = (end - first) * width < KERNEL_ENTRIES ? plainKernels : kernels();
    const block = maker.rowBlock(type, end - first, width);
    const rows = kernel.subarray(first * width, end * width);
    block.load(new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength), 0);
    blocks.push({ block, channelIn: group * kernelShape[1]!, channelOut: first - from });
  }
  return blocks;
}
