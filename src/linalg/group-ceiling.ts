import type { ConvolutionGeometry } from "./geometry.ts";
import { mulUp, sqrtUp, up } from "./rounding.ts";
import { mostCopies } from "./symbol-grid.ts";
import { product } from "./taps.ts";

/**
 * A cheap upper bound of an ungrouped convolution's norm at a known input size: Schur's test
 * ‖A‖₂ ≤ √(‖A‖₁‖A‖∞), whose row and column sums are sums of absolute kernel entries, times √copies for boundaries
 * that repeat pixels.
 */
export function groupCeiling(
  values: Float64Array,
  kernelShape: readonly number[],
  { inputSize, padding, boundary }: ConvolutionGeometry,
): number {
  const [channelsOut, channelsIn, ...size] = kernelShape as [number, number, ...number[]];
  const taps = product(size);
  const rows = new Float64Array(channelsOut);
  const cols = new Float64Array(channelsIn);
  values.forEach((w, at) => {
    rows[Math.floor(at / (channelsIn * taps))]! += Math.abs(w);
    cols[Math.floor(at / taps) % channelsIn]! += Math.abs(w);
  });
  const largest = (sums: Float64Array) => up(Math.max(...sums) * (1 + values.length * 2 ** -52));
  const copies = padding.reduce((count, p, a) => count * mostCopies(inputSize![a]!, p, boundary), 1);
  return mulUp(sqrtUp(mulUp(largest(rows), largest(cols))), sqrtUp(copies));
}
