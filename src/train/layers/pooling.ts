import { lax, numpy as np } from "@jax-js/jax";
import { checkOptions } from "../checks.ts";
import { TrainError } from "../errors.ts";
import type { GraphBuilder, Signal } from "../graph-builder.ts";
import type { Module } from "../module.ts";
import type { Shape, Tensor } from "../types.ts";
import { int, ints } from "./attributes.ts";
import { stateless } from "./stateless.ts";
import {
  checkImage,
  outputSizes,
  type Padding,
  type PerAxis,
  paddingAt,
  type Sides,
  type SlidingWindow,
  slidingWindow,
} from "./window.ts";

export interface PoolOptions {
  /** How far the window moves. Default its size, so that windows do not overlap. */
  readonly strides?: PerAxis;
  /** Less than the window on every side. Default 0. */
  readonly padding?: Padding;
}

/**
 * The mean of every window of each channel, padding counted as zeros: [channels, height, width] → [channels, height′, width′].
 * √(∏⌈k/s⌉/k)-Lipschitz over the axes, with windows of k every s: 1/√(k_h·k_w) where they do not overlap.
 * @throws TrainError for sizes that are not positive whole numbers, padding as large as the window, unknown options.
 */
export function averagePool2d(window: PerAxis, options: PoolOptions = {}): Module {
  return pooling("averagePool2d", window, options, {
    outside: 0,
    summary: (x) => np.mean(x),
    emit: (graph, input, attributes) =>
      graph.node("AveragePool", [input.name], { ...attributes, count_include_pad: int(1) }),
  });
}

/**
 * The largest entry of every window of each channel: [channels, height, width] → [channels, height′, width′].
 * √∏⌈k/s⌉-Lipschitz over the axes, with windows of k every s: 1 where they do not overlap.
 * @throws TrainError for sizes that are not positive whole numbers, padding as large as the window, unknown options.
 */
export function maxPool2d(window: PerAxis, options: PoolOptions = {}): Module {
  return pooling("maxPool2d", window, options, {
    outside: -Infinity,
    summary: (x) => np.max(x),
    emit: (graph, input, attributes) => graph.node("MaxPool", [input.name], attributes),
  });
}

interface Pooling {
  /** What the padding holds. */
  readonly outside: number;
  /** Of one window, as a scalar. */
  summary(window: Tensor): Tensor;
  emit(graph: GraphBuilder, input: Signal, attributes: WindowAttributes): string;
}

type WindowAttributes = Record<"kernel_shape" | "strides" | "pads", ReturnType<typeof ints>>;

function pooling(kind: string, size: PerAxis, options: PoolOptions, pool: Pooling): Module {
  checkOptions(kind, options, ["strides", "padding"]);
  const window = slidingWindow(kind, 2, size, { ...options, strides: options.strides ?? size });
  checkPadding(kind, window);

  return stateless({
    kind,
    outputShape(inputShape) {
      checkImage(kind, inputShape, 2);
      return [inputShape[0], ...outputSizes(kind, window, inputShape.slice(1))];
    },
    apply(x) {
      const padded = surround(x, paddingAt(window, x.shape.slice(2)), pool.outside);
      return lax.reduceWindow(padded, pool.summary, [...window.size], [...window.strides]);
    },
    emit: (graph, input) => pool.emit(graph, input, attributesOf(window, input.shape.slice(1))),
  });
}

function attributesOf(window: SlidingWindow, sizes: Shape): WindowAttributes {
  const padding = paddingAt(window, sizes);
  return {
    kernel_shape: ints(window.size),
    strides: ints(window.strides),
    pads: ints([...padding.map((sides) => sides[0]), ...padding.map((sides) => sides[1])]),
  };
}

/** A window that lies in the padding alone has no maximum. */
function checkPadding(kind: string, { size, padding }: SlidingWindow): void {
  if (padding === "same") return;
  padding.forEach((sides, axis) => {
    if (Math.max(...sides) < size[axis]) return;
    throw new TrainError(
      `${kind}: padding must be less than the window's size ${size[axis]} on every side; got [${sides}].`,
    );
  });
}

/** The image with `value` around it. */
function surround(x: Tensor, padding: readonly Sides[], value: number): Tensor {
  const spatial = padding.map(([before, after]): [number, number] => [before, after]);
  if (spatial.flat().every((side) => side === 0)) return x;
  if (value === 0) return np.pad(x, [[0, 0], [0, 0], ...spatial]);
  return spatial.reduce((inner, [before, after], axis) => {
    const edge = (width: number) =>
      np.full(inner.shape.toSpliced(axis + 2, 1, width), value, { dtype: inner.dtype });
    const parts = [before > 0 ? [edge(before)] : [], [inner], after > 0 ? [edge(after)] : []].flat();
    return np.concatenate(parts, axis + 2);
  }, x);
}
