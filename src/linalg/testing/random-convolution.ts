import * as fc from "fast-check";
import type { SizedGeometry } from "../convolution.ts";
import { convolutionOutputSize } from "../convolution-shape.ts";

/** A convolution small enough for its explicit matrix. Kernel entries are integers, so that sums are exact. */
export interface ConvolutionCase {
  readonly kernel: Float64Array;
  readonly kernelShape: readonly number[];
  readonly geometry: SizedGeometry;
}

/** Any valid combination of sizes, strides, padding, dilation, groups and boundary on D axes. */
export function convolutionCases(axes: number, largest: number): fc.Arbitrary<ConvolutionCase> {
  const perAxis = fc.record({
    n: fc.integer({ min: 1, max: largest }),
    k: fc.integer({ min: 1, max: 4 }),
    stride: fc.integer({ min: 1, max: 3 }),
    dilation: fc.integer({ min: 1, max: 2 }),
    before: fc.integer({ min: 0, max: 5 }),
    after: fc.integer({ min: 0, max: 5 }),
  });
  return fc
    .record({
      axes: fc.array(perAxis, { minLength: axes, maxLength: axes }),
      groups: fc.integer({ min: 1, max: 3 }),
      outPerGroup: fc.integer({ min: 1, max: 2 }),
      inPerGroup: fc.integer({ min: 1, max: 2 }),
      boundary: fc.constantFrom("zero", "circular", "reflect", "replicate"),
      entries: fc.infiniteStream(fc.integer({ min: -9, max: 9 })),
    })
    .map(({ axes: list, groups, outPerGroup, inPerGroup, boundary, entries }) => {
      const kernelShape = [groups * outPerGroup, inPerGroup, ...list.map(({ k }) => k)];
      const geometry: SizedGeometry = {
        inputSize: list.map(({ n }) => n),
        strides: list.map(({ stride }) => stride),
        padding: list.map(({ before, after }) => [before, after] as const),
        dilations: list.map(({ dilation }) => dilation),
        groups,
        boundary,
      };
      const kernel = new Float64Array(kernelShape.reduce((a, b) => a * b, 1));
      for (let i = 0; i < kernel.length; i++) kernel[i] = entries.next().value!;
      return { kernel, kernelShape, geometry };
    })
    .filter(({ kernelShape, geometry }) => {
      try {
        convolutionOutputSize(geometry.inputSize, kernelShape.slice(2), geometry);
        return true;
      } catch {
        return false;
      }
    });
}
