import type { SizedGeometry } from "../../src/linalg/convolution.ts";
import { convolutionOutputSize } from "../../src/linalg/convolution-shape.ts";
import type { Boundary } from "../../src/linalg/geometry.ts";
import type { RandomStream } from "../../src/linalg/random.ts";

export interface HostileConvolution {
  readonly kernel: Float64Array;
  readonly kernelShape: readonly number[];
  readonly geometry: SizedGeometry;
}

const BOUNDARIES: readonly Boundary[] = ["zero", "zero", "circular", "reflect", "replicate"];

/** Draws geometries until one has an output: strides, dilations, groups, asymmetric padding beyond the kernel. */
export function hostileConvolution(random: RandomStream, index: number): HostileConvolution {
  const pick = (least: number, most: number) => least + Math.floor(random.uniform() * (most - least + 1));
  for (;;) {
    const axes = index % 3 === 0 ? 2 : 1;
    const largest = axes === 2 ? 4 : 8;
    const size = Array.from({ length: axes }, () => pick(1, 4));
    const groups = pick(1, 2);
    const geometry: SizedGeometry = {
      inputSize: size.map(() => pick(1, largest)),
      strides: size.map(() => pick(1, 3)),
      padding: size.map(() => [pick(0, 4), pick(0, 4)] as const),
      dilations: size.map(() => pick(1, 2)),
      groups,
      boundary: BOUNDARIES[index % BOUNDARIES.length]!,
    };
    const kernelShape = [groups * pick(1, 2), pick(1, 2), ...size];
    try {
      convolutionOutputSize(geometry.inputSize, size, geometry);
    } catch {
      continue;
    }
    return { kernel: hostileKernel(random, kernelShape, index), kernelShape, geometry };
  }
}

function hostileKernel(random: RandomStream, shape: readonly number[], index: number): Float64Array {
  const taps = shape.slice(2).reduce((a, b) => a * b, 1);
  const kernel = Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal());
  switch (index % 6) {
    case 0: // Largest gain at the highest frequency, where grids that miss it would show.
      return kernel.map((w, i) => Math.abs(w) * (-1) ** (i % taps));
    case 1: // All gain at frequency zero: borders matter most.
      return kernel.map(Math.abs);
    case 2: // Rank one over channels and taps.
      return kernel.map((_, i) => kernel[Math.floor(i / taps) * taps]! * kernel[i % taps]!);
    case 3: // Many equal taps.
      return kernel.map(Math.sign);
    default:
      return kernel;
  }
}
