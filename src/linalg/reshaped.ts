import type { ConvolutionGeometry } from "./geometry.ts";
import { sqrtUp } from "./rounding.ts";

/**
 * How far the true convolution can exceed its reshaped kernel R (c_out × c_in·k^D, what most frameworks normalise):
 * ‖conv‖ ≤ √∏⌈k·gcd(s, d)/s⌉ · σ₁(R), with the factor rounded up. A convolution is R after unfolding, and unfolding
 * copies a pixel to as many windows as there are taps q with q·d ≡ its place (mod s). Holds for zero padding, any
 * groups and input size.
 * @param kernelSize, strides, dilations per spatial axis
 */
export function reshapedFactorUp(
  kernelSize: readonly number[],
  strides: readonly number[],
  dilations: readonly number[],
): number {
  // Whole numbers no larger than the kernel: their product is exact.
  const copies = kernelSize.reduce((all, k, axis) => {
    const stride = strides[axis]!;
    return all * Math.ceil((k * gcd(stride, dilations[axis]!)) / stride);
  }, 1);
  const root = Math.round(Math.sqrt(copies));
  return root * root === copies ? root : sqrtUp(copies);
}

/**
 * Whether σ₁(R) ≤ ‖conv‖: true without groups when one window lies inside the input as a whole, as R is then a part
 * of the operator's matrix. At unknown input size the norm meant is the largest over all sizes.
 * @param kernelSize per spatial axis
 */
export function reshapedIsLowerBound(geometry: ConvolutionGeometry, kernelSize: readonly number[]): boolean {
  const { groups, inputSize, strides, padding, dilations } = geometry;
  if (groups !== 1) return false;
  if (inputSize === undefined) return true;
  return kernelSize.every((k, axis) => {
    const stride = strides[axis]!;
    const before = padding[axis]![0];
    const firstInside = Math.ceil(before / stride) * stride - before;
    return firstInside + dilations[axis]! * (k - 1) < inputSize[axis]!;
  });
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
