import type { Seen } from "../shapes/inputs.ts";
import { MAX_CONTENTS, rowMajorStrides, withContents } from "../shapes/value.ts";
import type { AffineOperation } from "./operation.ts";
import { identityPart, movedPart } from "./parts.ts";
import type { Binding } from "./rule.ts";

/**
 * Source positions of a tensor whose axes are read independently of each other: transposes, slices, copies, padding.
 * @param axes for each axis of the result, where each of its positions reads: an offset, or −1 for nowhere.
 * @returns the sum of the offsets at each row-major position of the result, or −1 where one of them is.
 */
export function separableSources(axes: readonly Int32Array[]): Int32Array {
  const sources = new Int32Array(axes.reduce((n, axis) => n * axis.length, 1));
  if (sources.length === 0) return sources;
  // The block of the axes seen so far stands in front and is repeated, last copy first, so that it is overwritten last.
  let block = 1;
  for (const offsets of [...axes].reverse()) {
    for (let i = offsets.length - 1; i >= 0; i--) {
      const offset = offsets[i];
      const at = i * block;
      for (let j = 0; j < block; j++) {
        const s = sources[j];
        sources[at + j] = offset < 0 || s < 0 ? -1 : s + offset;
      }
    }
    block *= offsets.length;
  }
  return sources;
}

/** The offsets (first + i·step)·stride of `count` positions of an axis. */
export function axisRange(count: number, stride: number, first = 0, step = 1): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => (first + i * step) * stride);
}

/** The offsets of given positions of an axis, −1 where a position is. */
export function axisPositions(positions: ArrayLike<number>, stride: number): Int32Array {
  return Int32Array.from(positions, (p) => (p < 0 ? -1 : p * stride));
}

/** Sources that read a tensor of `shape` with its axes in the order `perm`. */
export function permutedSources(shape: readonly number[], perm: readonly number[]): Int32Array {
  const strides = rowMajorStrides(shape);
  return separableSources(perm.map((p) => axisRange(shape[p], strides[p])));
}

/** Sources where each axis of a tensor of `shape` is read at the positions given for it (all in order if none are). */
export function positionedSources(
  shape: readonly number[],
  positions: ReadonlyMap<number, ArrayLike<number>>,
): Int32Array {
  const strides = rowMajorStrides(shape);
  return separableSources(
    shape.map((size, axis) => {
      const given = positions.get(axis);
      return given ? axisPositions(given, strides[axis]) : axisRange(size, strides[axis]);
    }),
  );
}

/** The number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** How often each of `count` positions occurs; −1 counts for none. */
export function occurrences(positions: Int32Array, count: number): Int32Array {
  const times = new Int32Array(count);
  for (let i = 0; i < positions.length; i++) if (positions[i] >= 0) times[positions[i]]++;
  return times;
}

/** The largest entry of a list of counts, at least 1. */
export function most(counts: Int32Array): number {
  let largest = 1;
  for (let i = 0; i < counts.length; i++) if (counts[i] > largest) largest = counts[i];
  return largest;
}

/** Why a node cannot be run as a map of its first input alone; undefined when it can. */
export function otherSignal({ signals }: Binding): string | undefined {
  const other = signals.find((i) => i !== 0);
  return other === undefined ? undefined : `its input ${other} depends on the network's input`;
}

/** y_i = x[sources[i]] + offset_i of one signal; sources of −1 give the offset alone. */
export function movedOperation(sources: Int32Array, cols: number, offset?: Float64Array): AffineOperation {
  return { kind: "affine", parts: [movedPart(sources, cols)], ...(offset ? { offset } : {}) };
}

/** y = x: what reshapes and casts between floating-point types are. */
export function sameEntries({ inputs, signals }: Binding): AffineOperation {
  return { kind: "affine", parts: [identityPart(sizeOf(inputs[signals[0]]?.shape ?? []))] };
}

/** A bound node as the readers of shape rules see it: small constants are contents. */
export function seen({ node, opset, inputs }: Binding): Seen {
  return {
    node,
    opset,
    inputs: inputs.map((v) => {
      const small = v?.data !== undefined && v.data.length <= MAX_CONTENTS;
      return v && withContents(v.shape, v.dtype, small ? Array.from(v.data) : undefined);
    }),
  };
}

/**
 * The sums of offsets that pairs of positions have along several axes: all first positions before all second ones.
 * @param axes for each axis, its offsets at (first, second), row-major, and how many there are of each.
 */
export function pairedSources(
  axes: readonly { readonly offsets: Int32Array; readonly first: number; readonly second: number }[],
): Int32Array {
  const inTurn = separableSources(axes.map((axis) => axis.offsets));
  const order = permutedSources(
    axes.flatMap(({ first, second }) => [first, second]),
    [...axes.map((_, i) => 2 * i), ...axes.map((_, i) => 2 * i + 1)],
  );
  return order.map((i) => inTurn[i]);
}
