import { lax, numpy as np } from "@jax-js/jax";
import type { Shape, Tensor } from "../types.ts";
import type { Sides } from "./window.ts";

/** How a kernel [outputs, inputs/groups, …size] slides over a padded image, entry for each spatial axis. */
export interface Sliding {
  readonly strides: readonly number[];
  readonly padding: readonly Sides[];
  readonly dilations: readonly number[];
  readonly groups: number;
}

/** Cross-correlation, what every framework calls convolution: [batch, inputs, …] → [batch, outputs, …]. */
export function convolve(x: Tensor, kernel: Tensor, sliding: Sliding): Tensor {
  return lax.convGeneralDilated(x, kernel, [...sliding.strides], pairs(sliding.padding), {
    rhsDilation: [...sliding.dilations],
    featureGroupCount: sliding.groups,
  });
}

/**
 * The adjoint of `convolve` with the same kernel for images of spatial size `sizes`: [batch, outputs, …] → [batch, inputs, …].
 * Each entry of y adds the kernel, times itself, to the image; what falls into the padding is dropped.
 */
export function convolveAdjoint(y: Tensor, kernel: Tensor, sliding: Sliding, sizes: Shape): Tensor {
  const size = kernel.shape.slice(2);
  const padding = size.map((k, axis): [number, number] => {
    const reach = sliding.dilations[axis] * (k - 1);
    const before = reach - sliding.padding[axis][0];
    const spread = (y.shape[axis + 2] - 1) * sliding.strides[axis] + 1;
    return [before, sizes[axis] + reach - spread - before];
  });
  return lax.convGeneralDilated(
    y,
    mirrored(kernel, sliding.groups),
    size.map(() => 1),
    padding,
    {
      lhsDilation: [...sliding.strides],
      rhsDilation: [...sliding.dilations],
      featureGroupCount: sliding.groups,
    },
  );
}

/** The kernel with inputs and outputs exchanged within each group, and turned around. */
function mirrored(kernel: Tensor, groups: number): Tensor {
  const [outputs, inputs, ...size] = kernel.shape;
  const spatial = size.map((_, axis) => axis + 2);
  const exchanged = np
    .transpose(kernel.reshape([groups, outputs / groups, inputs, ...size]), [
      0,
      2,
      1,
      ...spatial.map((axis) => axis + 1),
    ])
    .reshape([groups * inputs, outputs / groups, ...size]);
  return np.flip(exchanged, spatial);
}

function pairs(padding: readonly Sides[]): [number, number][] {
  return padding.map(([before, after]) => [before, after]);
}
