import { numpy as np } from "@jax-js/jax";
import { conv1d, conv2d, convTranspose } from "../../linalg/convolutions.ts";
import { reshapedFactorUp } from "../../linalg/reshaped.ts";
import { rootUp } from "../../network/constants/rule.ts";
import { ShapeError } from "../errors.ts";
import type { Shape } from "../types.ts";
import type { MatrixView, WeightOperator } from "../weight.ts";
import { convolve, convolveAdjoint, type Sliding } from "./convolve.ts";
import { extents, outputSizes, paddingAt, type SlidingWindow } from "./window.ts";

/** x ↦ W ∗ x for kernels [outputs, inputs/groups, …size] over one or two spatial axes. */
export function convolutionOperator(kind: string, window: SlidingWindow, groups: number): WeightOperator {
  const slidingOver = (sizes: Shape): Sliding => ({ ...window, padding: paddingAt(window, sizes), groups });

  return {
    apply: (weight, x) => convolve(x, weight, slidingOver(x.shape.slice(2))),
    adjoint(weight, y, [, ...sizes]) {
      return convolveAdjoint(y, weight, slidingOver(sizes), sizes);
    },
    outputShape: ([outputs], [, ...sizes]) => [outputs, ...outputSizes(kind, window, sizes)],
    matrix: { ...OUTPUTS_BY_REST, factor: () => reshapedFactorUp(...copies(window)) },
    exact(data, shape, inputShape) {
      const options = { inputShape, ...slidingOver(inputShape.slice(1)) };
      return window.size.length === 1 ? conv1d({ data, shape }, options) : conv2d({ data, shape }, options);
    },
  };
}

/** The matrix [outputs, inputs/groups·size] of a kernel. */
const OUTPUTS_BY_REST: Omit<MatrixView, "factor"> = {
  shape: ([outputs, ...rest]) => [outputs, product(rest)],
  of: (weight) => weight.reshape([weight.shape[0], product(weight.shape.slice(1))]),
  restore: (matrix, shape) => matrix.reshape([...shape]),
};

/**
 * x ↦ the adjoint of a convolution with the kernel W [inputs, outputs/groups, …size], which maps images of this operator's
 * output size to those of its input size: PyTorch's ConvTranspose. `outputPadding` are rows that no stride reaches.
 */
export function transposedOperator(
  kind: string,
  window: SlidingWindow & { readonly padding: Sliding["padding"] },
  groups: number,
  outputPadding: readonly number[],
): WeightOperator {
  const sliding: Sliding = { ...window, groups };
  const sizesFor = (sizes: Shape) =>
    extents(window).map((extent, axis) => {
      const [before, after] = window.padding[axis];
      const size = (sizes[axis] - 1) * window.strides[axis] - before - after + extent + outputPadding[axis];
      if (size >= 1) return size;
      throw new ShapeError(
        `${kind}: an input of spatial size [${sizes}] leaves no output once ${JSON.stringify(window.padding)} of padding is cut off. Use less padding.`,
      );
    });

  return {
    apply: (weight, x) => convolveAdjoint(x, weight, sliding, sizesFor(x.shape.slice(2))),
    adjoint: (weight, y) => convolve(y, weight, sliding),
    outputShape: ([, outputs], [, ...sizes]) => [outputs * groups, ...sizesFor(sizes)],
    matrix: { ...SECOND_AXIS_BY_REST, factor: ([, outputs]) => transposedFactor(window, outputs) },
    exact: (data, shape, inputShape) =>
      convTranspose({ data, shape }, { inputShape, ...sliding, outputPadding }),
  };
}

/** The matrix [outputs/groups, inputs·size] of a transposed kernel, PyTorch's reshaping along dim 1. */
const SECOND_AXIS_BY_REST: Omit<MatrixView, "factor"> = {
  shape: ([inputs, outputs, ...size]) => [outputs, inputs * product(size)],
  of: (weight) => {
    const [inputs, outputs, ...size] = weight.shape;
    return exchanged(weight).reshape([outputs, inputs * product(size)]);
  },
  restore: (matrix, [inputs, outputs, ...size]) => exchanged(matrix.reshape([outputs, inputs, ...size])),
};

/**
 * ‖transposed convolution‖ ≤ f·σ(R), R of dim 1. An output pixel reads only the taps q with q·d ≡ its place (mod s): the
 * columns R_c of one class c of places, of which every input is multiplied by n_c taps. Hence ‖·‖² ≤ Σ_c n_c σ(R_c)², which
 * is at most Σ_c n_c σ(R)² = ∏k·σ(R)² and, as Σ_c σ(R_c)² ≤ ‖R‖_F² ≤ rows·σ(R)², at most rows·max n_c·σ(R)². With groups R
 * has a block of columns for each.
 */
function transposedFactor(window: SlidingWindow, rows: number): number {
  const most = Math.round(reshapedFactorUp(...copies(window)) ** 2);
  return rootUp(Math.min(product(window.size), rows * most));
}

/** The arguments that say how many windows share a pixel. */
function copies({ size, strides, dilations }: SlidingWindow) {
  return [size, strides, dilations] as const;
}

function exchanged(array: Parameters<MatrixView["of"]>[0]) {
  const rest = array.shape.slice(2).map((_, axis) => axis + 2);
  return np.transpose(array, [1, 0, ...rest]);
}

function product(sizes: Shape): number {
  return sizes.reduce((all, size) => all * size, 1);
}
