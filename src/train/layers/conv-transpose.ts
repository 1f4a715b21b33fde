import { checkCount, checkOptions } from "../checks.ts";
import { TrainError } from "../errors.ts";
import type { Module } from "../module.ts";
import { int, ints } from "./attributes.ts";
import { transposedOperator } from "./convolution-operator.ts";
import { type KernelOptions, kernelLayer } from "./kernel-layer.ts";
import { type ExplicitPadding, type PerAxis, type SlidingWindow, slidingWindow } from "./window.ts";

export interface ConvTransposeOptions extends KernelOptions {
  /** How far apart the inputs lie in the output. Default 1. */
  readonly strides?: PerAxis;
  /** What is cut off the output's sides. Default 0. */
  readonly padding?: ExplicitPadding;
  readonly dilations?: PerAxis;
  /** Rows and columns added at the far side, fewer than the stride: which of the sizes that a convolution takes to one. */
  readonly outputPadding?: number | readonly number[];
}

const OPTIONS = ["strides", "padding", "dilations", "groups", "outputPadding", "bias", "control"];

/**
 * The adjoint of a strided convolution, plus a bias: [channels, height, width] → [outputs, height′, width′] with
 * height′ = (height − 1)·stride − padding + dilation·(size − 1) + 1 + outputPadding. Parameters: `weight`
 * [inputs, outputs/groups, height, width] and `bias` [outputs], PyTorch's layout. Controls bound the true operator, or with
 * `norm: "reshaped"` the matrix [outputs/groups, inputs·size].
 * @throws TrainError for sizes that are not positive whole numbers, an output padding as large as the stride, groups that do
 * not divide the channels, unknown options.
 */
export function convTranspose2d(channels: number, size: PerAxis, options: ConvTransposeOptions = {}): Module {
  const kind = "convTranspose2d";
  checkCount(kind, "channels", channels);
  checkOptions(kind, options, OPTIONS);
  const groups = checkCount(kind, "groups", options.groups ?? 1);
  const window = explicitWindow(kind, size, options);
  const outputPadding = outputPaddingOf(kind, options.outputPadding ?? 0, window.strides);
  const { padding } = window;
  const attributes = {
    kernel_shape: ints(window.size),
    strides: ints(window.strides),
    dilations: ints(window.dilations),
    pads: ints([...padding.map((sides) => sides[0]), ...padding.map((sides) => sides[1])]),
    output_padding: ints(outputPadding),
    group: int(groups),
  };
  const layer = {
    kind,
    channels,
    axes: 2,
    groups,
    operator: transposedOperator(kind, window, groups, outputPadding),
    weightShape: (inputs: number) => [inputs, channels / groups, ...window.size],
    opType: "ConvTranspose",
    attributes: () => attributes,
  } as const;
  return kernelLayer(layer, options);
}

function explicitWindow(kind: string, size: PerAxis, options: ConvTransposeOptions) {
  const window = slidingWindow(kind, 2, size, options);
  if (window.padding !== "same") return { ...window, padding: window.padding };
  throw new TrainError(
    `${kind}: padding "same" leaves the output's size open; give a number or pairs [before, after].`,
  );
}

function outputPaddingOf(
  kind: string,
  given: number | readonly number[],
  strides: SlidingWindow["strides"],
): readonly number[] {
  const list = typeof given === "number" ? strides.map(() => given) : given;
  const fits = Array.isArray(list) && list.length === strides.length;
  if (fits && list.every((extra, axis) => Number.isInteger(extra) && extra >= 0 && extra < strides[axis])) {
    return list;
  }
  throw new TrainError(
    `${kind}: outputPadding must be whole numbers from 0 to less than the strides [${strides}]; got ${JSON.stringify(given)}.`,
  );
}
