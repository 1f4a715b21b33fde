import { checkCount } from "../checks.ts";
import { ShapeError, TrainError } from "../errors.ts";
import type { Shape } from "../types.ts";

/** One number for every spatial axis, or a list of one for each. */
export type PerAxis = number | readonly number[];

/** Zeros around the input: as many on every side, or [before, after] for each axis. */
export type ExplicitPadding = number | readonly (readonly [number, number])[];

/**
 * Zeros around the input. "valid" is none; "same" is as many as give ⌈n/stride⌉ outputs for n inputs, the odd one after
 * (PyTorch's "same" at stride 1, ONNX's SAME_UPPER).
 */
export type Padding = ExplicitPadding | "same" | "valid";

/** A window that slides over the spatial axes of an input. Lists have one entry for each axis. */
export interface SlidingWindow {
  readonly size: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly padding: readonly Sides[] | "same";
}

export type Sides = readonly [before: number, after: number];

export interface WindowOptions {
  /** How far the window moves. */
  readonly strides?: PerAxis;
  /** Default 0. */
  readonly padding?: Padding;
  /** How far its entries are apart. Default 1. */
  readonly dilations?: PerAxis;
}

/** @throws TrainError for sizes, strides, dilations or padding that are no window over that many axes. */
export function slidingWindow(
  kind: string,
  axes: number,
  size: PerAxis,
  options: WindowOptions,
): SlidingWindow {
  return {
    size: perAxis(kind, "the window's size", size, axes),
    strides: perAxis(kind, "strides", options.strides ?? 1, axes),
    dilations: perAxis(kind, "dilations", options.dilations ?? 1, axes),
    padding: paddingOf(kind, options.padding ?? 0, axes),
  };
}

/** Positive whole numbers, one for each axis. */
function perAxis(kind: string, name: string, given: PerAxis, axes: number): readonly number[] {
  if (!Array.isArray(given)) {
    return new Array<number>(axes).fill(checkCount(kind, name, given as number));
  }
  if (given.length !== axes) {
    throw new TrainError(
      `${kind}: ${name} must be one number or a list of ${axes}; got a list of ${given.length}.`,
    );
  }
  return given.map((value) => checkCount(kind, name, value));
}

function paddingOf(kind: string, given: Padding, axes: number): readonly Sides[] | "same" {
  if (given === "same") return "same";
  if (given === "valid") return paddingOf(kind, 0, axes);
  if (!Array.isArray(given)) {
    const side = checkSide(kind, given);
    return new Array<Sides>(axes).fill([side, side]);
  }
  if (given.length !== axes || given.some((sides) => !Array.isArray(sides) || sides.length !== 2)) {
    throw new TrainError(
      `${kind}: padding must be a number, "same", "valid" or ${axes} pair${axes === 1 ? "" : "s"} [before, after]; got ${JSON.stringify(given)}.`,
    );
  }
  return given.map(([before, after]): Sides => [checkSide(kind, before), checkSide(kind, after)]);
}

function checkSide(kind: string, value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw new TrainError(
    `${kind}: padding must be whole numbers of 0 or more, or "same" or "valid"; got ${JSON.stringify(value)}.`,
  );
}

/** From the first to the last entry of a window, along each axis. */
export function extents({ size, dilations }: SlidingWindow): number[] {
  return size.map((k, axis) => dilations[axis] * (k - 1) + 1);
}

/** The padding of an input of these spatial sizes. */
export function paddingAt(window: SlidingWindow, sizes: Shape): readonly Sides[] {
  if (window.padding !== "same") return window.padding;
  return extents(window).map((extent, axis): Sides => {
    const stride = window.strides[axis];
    const outputs = Math.ceil(sizes[axis] / stride);
    const total = Math.max(0, (outputs - 1) * stride + extent - sizes[axis]);
    return [Math.floor(total / 2), Math.ceil(total / 2)];
  });
}

/**
 * How many places the window has along each axis of an input.
 * @throws ShapeError where it is larger than the padded input.
 */
export function outputSizes(kind: string, window: SlidingWindow, sizes: Shape): number[] {
  const padding = paddingAt(window, sizes);
  return extents(window).map((extent, axis) => {
    const padded = sizes[axis] + padding[axis][0] + padding[axis][1];
    if (padded < extent) {
      throw new ShapeError(
        `${kind}: a window that spans [${extents(window)}] does not fit into an input of spatial size [${sizes}], padded by ${JSON.stringify(padding)}. Use a smaller window or more padding.`,
      );
    }
    return Math.floor((padded - extent) / window.strides[axis]) + 1;
  });
}

const AXES = ["", "length", "height, width"];

/** @throws ShapeError unless an input is [channels, …spatial] with that many spatial axes. */
export function checkImage(kind: string, inputShape: Shape, axes: number): void {
  if (inputShape.length === axes + 1 && inputShape.every((size) => size >= 1)) return;
  throw new ShapeError(
    `${kind} takes inputs of shape [channels, ${AXES[axes]}] after the batch axis; got [${inputShape}].`,
  );
}
