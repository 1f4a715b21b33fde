import { checkCount, checkOptions } from "../checks.ts";
import type { Module } from "../module.ts";
import { int, ints } from "./attributes.ts";
import { convolutionOperator } from "./convolution-operator.ts";
import { type KernelOptions, kernelLayer } from "./kernel-layer.ts";
import { type PerAxis, paddingAt, slidingWindow, type WindowOptions } from "./window.ts";

/** Strides default to 1, padding to none. */
export interface ConvolutionOptions extends WindowOptions, KernelOptions {}

/**
 * y = W ∗ x + b over one axis: [channels, length] → [outputs, length′]. Parameters: `weight` [outputs, inputs/groups, size] and
 * `bias` [outputs], PyTorch's layout. Controls bound the true convolution at the input's length, zero padding included, or with
 * `norm: "reshaped"` the matrix [outputs, inputs/groups·size].
 * @throws TrainError for sizes that are not positive whole numbers, groups that do not divide the channels, unknown options.
 */
export function conv1d(channels: number, size: PerAxis, options: ConvolutionOptions = {}): Module {
  return convolution("conv1d", 1, channels, size, options);
}

/**
 * y = W ∗ x + b over two axes: [channels, height, width] → [outputs, height′, width′]. Parameters: `weight`
 * [outputs, inputs/groups, height, width] and `bias` [outputs], PyTorch's layout. Controls bound the true convolution at the
 * input's size, zero padding included, or with `norm: "reshaped"` the matrix [outputs, inputs/groups·size].
 * @throws TrainError for sizes that are not positive whole numbers, groups that do not divide the channels, unknown options.
 */
export function conv2d(channels: number, size: PerAxis, options: ConvolutionOptions = {}): Module {
  return convolution("conv2d", 2, channels, size, options);
}

function convolution(
  kind: string,
  axes: number,
  channels: number,
  size: PerAxis,
  options: ConvolutionOptions,
): Module {
  checkCount(kind, "channels", channels);
  checkOptions(kind, options, ["strides", "padding", "dilations", "groups", "bias", "control"]);
  const groups = checkCount(kind, "groups", options.groups ?? 1);
  const window = slidingWindow(kind, axes, size, options);
  const layer = {
    kind,
    channels,
    axes,
    groups,
    operator: convolutionOperator(kind, window, groups),
    weightShape: (inputs: number) => [channels, inputs / groups, ...window.size],
    opType: "Conv",
    attributes: (sizes: readonly number[]) => {
      const padding = paddingAt(window, sizes);
      return {
        kernel_shape: ints(window.size),
        strides: ints(window.strides),
        dilations: ints(window.dilations),
        pads: ints([...padding.map((sides) => sides[0]), ...padding.map((sides) => sides[1])]),
        group: int(groups),
      };
    },
  } as const;
  return kernelLayer(layer, options);
}
