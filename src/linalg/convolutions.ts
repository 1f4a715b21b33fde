import {
  type ConvolutionOperator,
  convolution,
  convolutionAnySize,
  type SizeFreeConvolution,
} from "./convolution.ts";
import { checkKernel } from "./convolution-shape.ts";
import { checkInteger, checkLength, OperatorError } from "./errors.ts";
import type { Boundary, ConvolutionGeometry } from "./geometry.ts";
import { type AdjointOperator, adjointOf } from "./operators.ts";

/** Numbers and their shape, row-major. */
export interface Kernel {
  readonly data: Float32Array | Float64Array;
  readonly shape: readonly number[];
}

/** Geometry as users write it; what is left out is 1, zero padding, one group, zeros outside. */
export interface ConvOptions {
  /** [c_in, size…]. Without it only bounds for every size are possible. */
  readonly inputShape?: readonly number[];
  readonly strides?: readonly number[];
  readonly padding?: readonly (readonly [number, number])[];
  readonly dilations?: readonly number[];
  readonly groups?: number;
  readonly boundary?: Boundary;
}

export interface ConvTransposeOptions extends Omit<ConvOptions, "boundary"> {
  /** Extra size per axis on the far side, less than the stride; default 0. */
  readonly outputPadding?: readonly number[];
}

type Sized<O> = O & { readonly inputShape: readonly number[] };

/**
 * A convolution over one axis.
 * @param kernel [c_out, c_in/groups, k]
 * @throws OperatorError when shapes and geometry do not fit.
 */
export function conv1d(kernel: Kernel, options: Sized<ConvOptions>): ConvolutionOperator;
export function conv1d(kernel: Kernel, options?: ConvOptions): ConvolutionOperator | SizeFreeConvolution;
export function conv1d(kernel: Kernel, options: ConvOptions = {}): ConvolutionOperator | SizeFreeConvolution {
  checkLength("conv1d kernel shape", kernel.shape.length, 3);
  return conv(kernel, options);
}

/**
 * A convolution over two axes.
 * @param kernel [c_out, c_in/groups, k_h, k_w]
 * @throws OperatorError when shapes and geometry do not fit.
 */
export function conv2d(kernel: Kernel, options: Sized<ConvOptions>): ConvolutionOperator;
export function conv2d(kernel: Kernel, options?: ConvOptions): ConvolutionOperator | SizeFreeConvolution;
export function conv2d(kernel: Kernel, options: ConvOptions = {}): ConvolutionOperator | SizeFreeConvolution {
  checkLength("conv2d kernel shape", kernel.shape.length, 4);
  return conv(kernel, options);
}

/**
 * A transposed convolution over any number of axes: the adjoint of the convolution with the same kernel that maps
 * its output size back to its input size. At unknown size that convolution itself, which has the same norm.
 * @param kernel [c_in, c_out/groups, k…], as PyTorch and ONNX store it
 * @throws OperatorError when shapes and geometry do not fit.
 */
export function convTranspose(
  kernel: Kernel,
  options: Sized<ConvTransposeOptions>,
): AdjointOperator<ConvolutionOperator>;
export function convTranspose(
  kernel: Kernel,
  options?: ConvTransposeOptions,
): AdjointOperator<ConvolutionOperator> | SizeFreeConvolution;
export function convTranspose(
  kernel: Kernel,
  options: ConvTransposeOptions = {},
): AdjointOperator<ConvolutionOperator> | SizeFreeConvolution {
  const { data, shape } = kernel;
  const geometry = fullGeometry(shape.length - 2, options);
  checkKernel(data.length, shape, geometry);
  if (options.inputShape === undefined) return convolutionAnySize(data, shape, geometry);
  const [channels, ...inputSize] = options.inputShape;
  checkChannels(channels, shape[0]!);
  checkLength("input shape", inputSize.length, shape.length - 2);
  const outputSize = inputSize.map((n, axis) => transposedSize(n, axis, shape, geometry, options));
  return adjointOf(convolution(data, shape, { ...geometry, inputSize: outputSize }));
}

function transposedSize(
  n: number,
  axis: number,
  shape: readonly number[],
  geometry: ConvolutionGeometry,
  options: ConvTransposeOptions,
): number {
  checkInteger("input size", n, 1);
  const stride = geometry.strides[axis]!;
  const [before, after] = geometry.padding[axis]!;
  const extra = options.outputPadding?.[axis] ?? 0;
  checkInteger("output padding", extra, 0);
  if (extra >= stride) throw new OperatorError("output padding", extra, `less than the stride ${stride}`);
  return (n - 1) * stride - before - after + geometry.dilations[axis]! * (shape[axis + 2]! - 1) + 1 + extra;
}

function conv({ data, shape }: Kernel, options: ConvOptions): ConvolutionOperator | SizeFreeConvolution {
  const geometry = fullGeometry(shape.length - 2, options);
  if (options.inputShape === undefined) return convolutionAnySize(data, shape, geometry);
  const [channels, ...inputSize] = options.inputShape;
  checkChannels(channels, shape[1]! * geometry.groups);
  return convolution(data, shape, { ...geometry, inputSize });
}

function checkChannels(got: number | undefined, expected: number): void {
  if (got !== expected)
    throw new OperatorError("input channels", got, `${expected}, from the kernel's shape`);
}

function fullGeometry(axes: number, options: ConvOptions): ConvolutionGeometry {
  const ones = new Array<number>(Math.max(axes, 0)).fill(1);
  return {
    strides: options.strides ?? ones,
    padding: options.padding ?? ones.map(() => [0, 0] as const),
    dilations: options.dilations ?? ones,
    groups: options.groups ?? 1,
    boundary: options.boundary ?? "zero",
  };
}
