import { lax, numpy as np } from "@jax-js/jax";
import { checkChoice, checkCount, checkOptions } from "../checks.ts";
import { ShapeError } from "../errors.ts";
import type { GraphBuilder, Signal } from "../graph-builder.ts";
import type { Module } from "../module.ts";
import type { Shape, Tensor } from "../types.ts";
import { int } from "./attributes.ts";
import { stateless } from "./stateless.ts";

export interface SortOptions {
  /**
   * Which entries are sorted among themselves: "channels" (default), along the first axis after the batch, which is the
   * channels of an image and the features of a vector; "last", along the last axis, the features of a sequence.
   */
  readonly axis?: "channels" | "last";
}

/**
 * The channels in two halves a and b: max(a, b), then min(a, b). Sorts n/2 pairs, so it keeps every norm and, unlike ReLU,
 * the gradient's too (Anil, Lucas & Grosse 2019, arXiv:1811.05381). 1-Lipschitz.
 * @throws TrainError for unknown options; in `init`, ShapeError for an odd number of channels.
 */
export function maxMin(options: SortOptions = {}): Module {
  return sorter("maxMin", () => 2, options, pairSort);
}

/**
 * Sorts groups of `size` channels, the largest first: group i of n/size holds channels i, i + n/size, i + 2n/size, …, and its
 * j-th largest goes to the j-th of these places. `groupSort(2)` is `maxMin()` (Anil, Lucas & Grosse 2019, arXiv:1811.05381).
 * 1-Lipschitz.
 * @throws TrainError for a size that is not a positive whole number, or unknown options; in `init`, ShapeError when it does not
 * divide the channels.
 */
export function groupSort(size: number, options: SortOptions = {}): Module {
  checkCount("groupSort", "size", size);
  return sorter("groupSort", () => size, options, size === 2 ? pairSort : wholeSort);
}

/**
 * Sorts all channels, the largest first: `groupSort` with one group. 1-Lipschitz.
 * @throws TrainError for unknown options.
 */
export function fullSort(options: SortOptions = {}): Module {
  return sorter("fullSort", (channels) => channels, options, wholeSort);
}

/** How groups of `size` along an axis of a batch are sorted. */
interface Sort {
  apply(x: Tensor, size: number, axis: number): Tensor;
  emit(graph: GraphBuilder, input: Signal, size: number, axis: number): string;
}

/** Pairs by Max and Min, which are cheaper than sorting and which the audit knows to be one 1-Lipschitz node. */
const pairSort: Sort = {
  apply(x, _size, axis) {
    const [a, b] = np.split(x, 2, axis);
    // jax-js takes the first argument's derivative at ties: exchanged arguments keep the derivative a permutation.
    return np.concatenate([np.maximum(a.ref, b.ref), np.minimum(b, a)], axis);
  },
  emit(graph, input, _size, axis) {
    const half = input.shape[axis - 1] / 2;
    const halves = graph.nodes("Split", [input.name, graph.integers([half, half])], 2, { axis: int(axis) });
    const sorted = [graph.node("Max", halves), graph.node("Min", halves)];
    return graph.node("Concat", sorted, { axis: int(axis) });
  },
};

/** The axis as [size, groups], sorted along the first of the two. */
const wholeSort: Sort = {
  apply(x, size, axis) {
    const grouped = np.moveaxis(x.reshape(groupedShape(x.shape, size, axis)), axis, -1);
    return np.moveaxis(descending(grouped), -1, axis).reshape(x.shape);
  },
  emit(graph, input, size, axis) {
    // 0 keeps the batch axis, whatever its size.
    const shape = [0, ...input.shape];
    const grouped = graph.node("Reshape", [input.name, graph.integers(groupedShape(shape, size, axis))]);
    const attributes = { axis: int(axis), largest: int(1), sorted: int(1) };
    const [sorted] = graph.nodes("TopK", [grouped, graph.integers([size])], 2, attributes);
    return graph.node("Reshape", [sorted, graph.integers(shape)]);
  },
};

/**
 * Sorted along the last axis, the largest first, equal ones in their order. As −x gathered from where a sort of it puts its
 * entries: jax-js's jit cannot differentiate its own sort of a matrix, nor scatter or sort what is only a view of an array,
 * while a negation always writes one.
 */
function descending(x: Tensor): Tensor {
  const size = x.shape.at(-1)!;
  const negated = np.negative(x);
  const order = np.argsort(lax.stopGradient(negated.ref), -1);
  const starts = np.arange(0, order.size, size, { dtype: np.int32 });
  const places = order.add(starts.reshape([...order.shape.slice(0, -1), 1]));
  return np.negative(np.take(negated.reshape([-1]), places, 0));
}

function groupedShape(shape: Shape, size: number, axis: number): number[] {
  return shape.toSpliced(axis, 1, size, shape[axis] / size);
}

/** @param sizeFor the size of a group, of the number of channels */
function sorter(
  kind: string,
  sizeFor: (channels: number) => number,
  options: SortOptions,
  sort: Sort,
): Module {
  checkOptions(kind, options, ["axis"]);
  const along = checkChoice(kind, "axis", options.axis ?? "channels", ["channels", "last"]);
  const axisOf = (inputShape: Shape) => (along === "channels" ? 1 : inputShape.length);
  const sizeOf = (inputShape: Shape) => sizeFor(inputShape[axisOf(inputShape) - 1]);

  return stateless({
    kind,
    outputShape(inputShape) {
      const channels = inputShape[axisOf(inputShape) - 1];
      if (inputShape.length === 0 || channels % sizeFor(channels) !== 0) {
        throw new ShapeError(
          `${kind} sorts groups of ${sizeFor(channels) || 2} ${along === "last" ? "entries of the last axis" : "channels"}, so their number must be a multiple of that; got inputs of shape [${inputShape}].`,
        );
      }
      return inputShape;
    },
    apply(x) {
      const inputShape = x.shape.slice(1);
      return sort.apply(x, sizeOf(inputShape), axisOf(inputShape));
    },
    emit: (graph, input) => sort.emit(graph, input, sizeOf(input.shape), axisOf(input.shape)),
  });
}
