import { checkInteger, checkLength, OperatorError } from "./errors.ts";
import type { Boundary, ConvolutionGeometry } from "./geometry.ts";
import { product } from "./taps.ts";

/** Longest vector an operator may act on: 2³⁰ numbers, 8 GiB, so that every index fits 32 bits. */
export const MAX_VECTOR = 2 ** 30;

const BOUNDARIES: readonly Boundary[] = ["zero", "circular", "reflect", "replicate"];

/**
 * Checks everything about a convolution that does not need the input size.
 * @param kernelShape [c_out, c_in/groups, k…]
 * @throws OperatorError naming the first argument that does not fit.
 */
export function checkKernel(
  kernelLength: number,
  kernelShape: readonly number[],
  geometry: ConvolutionGeometry,
): void {
  if (kernelShape.length < 3) {
    throw new OperatorError(
      "kernel shape",
      kernelShape,
      "[c_out, c_in/groups, k…] with one spatial axis or more",
    );
  }
  for (const size of kernelShape) checkInteger("kernel shape", size, 1);
  checkLength("kernel", kernelLength, product(kernelShape));
  const axes = kernelShape.length - 2;
  const { strides, padding, dilations, groups, boundary } = geometry;
  for (const [what, list] of Object.entries({ strides, padding, dilations })) {
    checkLength(what, list.length, axes);
  }
  for (const stride of strides) checkInteger("stride", stride, 1);
  for (const dilation of dilations) checkInteger("dilation", dilation, 1);
  for (const sides of padding) {
    checkLength("padding of an axis [before, after]", sides.length, 2);
    for (const side of sides) checkInteger("padding", side, 0);
  }
  checkInteger("groups", groups, 1);
  if (kernelShape[0]! % groups !== 0) {
    throw new OperatorError("groups", groups, `a divisor of the ${kernelShape[0]} output channels`);
  }
  if (!BOUNDARIES.includes(boundary)) throw new OperatorError("boundary", boundary, BOUNDARIES.join(", "));
}

/**
 * Spatial size of a convolution's output: ⌊(n + before + after − d(k−1) − 1)/s⌋ + 1 per axis.
 * @throws OperatorError where the kernel does not fit into the padded input, or a reflection reaches past the input.
 */
export function convolutionOutputSize(
  inputSize: readonly number[],
  kernelSize: readonly number[],
  geometry: ConvolutionGeometry,
): number[] {
  checkLength("input size", inputSize.length, kernelSize.length);
  return inputSize.map((n, axis) => {
    checkInteger("input size", n, 1);
    const [before, after] = geometry.padding[axis]!;
    if (geometry.boundary === "reflect" && Math.max(before, after) >= n) {
      throw new OperatorError("reflect padding", Math.max(before, after), `less than the input size ${n}`);
    }
    const extent = geometry.dilations[axis]! * (kernelSize[axis]! - 1) + 1;
    const padded = n + before + after;
    if (!Number.isSafeInteger(extent) || padded < extent) {
      throw new OperatorError("padded input size", padded, `at least the kernel's extent ${extent}`);
    }
    return Math.floor((padded - extent) / geometry.strides[axis]!) + 1;
  });
}

/** @throws OperatorError unless a vector of this length can be held. */
export function checkVector(what: string, length: number): void {
  if (length > MAX_VECTOR) throw new OperatorError(what, `${length} numbers`, `at most ${MAX_VECTOR}`);
}
