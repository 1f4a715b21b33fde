import { resolvedPadding, type SlidingWindow } from "../window.ts";
import { pairedSources, permutedSources, sizeOf } from "./index-maps.ts";

/**
 * Groups of entries of a tensor, each of which gives one result: the windows of a pooling, the entries along the axes
 * of a reduction.
 */
export interface Windows {
  /** Stretches of the tensor, one after another, that hold the same windows. */
  readonly planes: number;
  readonly planeSize: number;
  /** Windows in each plane. */
  readonly count: number;
  /** Entries of each window. */
  readonly width: number;
  /** For each window of a plane and each of its entries, its position in the plane; −1 for none (padding). */
  readonly table: Int32Array;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** Most windows that one input position belongs to along an axis: ⌈k·gcd(s,d)/s⌉. */
export function overlap(w: SlidingWindow, axis: number): number {
  return Math.ceil((w.kernel[axis] * gcd(w.strides[axis], w.dilations[axis])) / w.strides[axis]);
}

/** Most windows that one input position belongs to. */
export function overlaps(w: SlidingWindow): number {
  return w.kernel.reduce((product, _, axis) => product * overlap(w, axis), 1);
}

/** Input positions that a window's taps read along an axis, for each of `outputs` places of the window. */
export function tapPositions(
  w: SlidingWindow,
  axis: number,
  size: number,
  outputs: number,
): readonly (readonly number[])[] {
  const [before] = resolvedPadding(w, axis, size);
  return Array.from({ length: outputs }, (_, o) =>
    Array.from({ length: w.kernel[axis] }, (_, q) => o * w.strides[axis] - before + q * w.dilations[axis]),
  );
}

/** The windows of a pooling from [N, C, …] to [N, C, …]. */
export function poolingWindows(
  w: SlidingWindow,
  shape: readonly number[],
  outputs: readonly number[],
): Windows {
  const sizes = shape.slice(2);
  const axes = sizes.map((size, axis) => {
    const stride = sizeOf(sizes.slice(axis + 1));
    const taps = tapPositions(w, axis, size, outputs[axis + 2]).flat();
    const offsets = Int32Array.from(taps, (i) => (i < 0 || i >= size ? -1 : i * stride));
    return { offsets, first: outputs[axis + 2], second: w.kernel[axis] };
  });
  return {
    planes: shape[0] * shape[1],
    planeSize: sizeOf(sizes),
    count: sizeOf(outputs.slice(2)),
    width: sizeOf(w.kernel),
    table: pairedSources(axes),
  };
}

/** The groups that a reduction along `axes` makes of a tensor. */
export function reductionWindows(shape: readonly number[], axes: readonly number[]): Windows {
  const all = shape.map((_, i) => i);
  const lead = all.find((i) => axes.includes(i)) ?? shape.length;
  const rest = shape.slice(lead);
  const inner = rest.map((_, i) => i);
  const kept = inner.filter((i) => !axes.includes(i + lead));
  const reduced = inner.filter((i) => axes.includes(i + lead));
  return {
    planes: sizeOf(shape.slice(0, lead)),
    planeSize: sizeOf(rest),
    count: sizeOf(kept.map((i) => rest[i])),
    width: sizeOf(reduced.map((i) => rest[i])),
    table: permutedSources(rest, [...kept, ...reduced]),
  };
}

/** True when some window holds no entry: it lies in the padding alone. */
export function hasEmptyWindow({ count, width, table }: Windows): boolean {
  for (let o = 0; o < count; o++) {
    let found = false;
    for (let e = o * width; e < (o + 1) * width && !found; e++) found = table[e] >= 0;
    if (!found) return true;
  }
  return false;
}

/** Length of the tensor that the windows are taken from. */
export function windowedSize({ planes, planeSize }: Windows): number {
  return planes * planeSize;
}

/** Calls `visit` with each window: its place among all of them, and where its plane and its table entries start. */
export function eachWindow(
  { planes, planeSize, count, width }: Windows,
  visit: (window: number, plane: number, from: number, to: number) => void,
): void {
  for (let p = 0; p < planes; p++) {
    for (let o = 0; o < count; o++) visit(p * count + o, p * planeSize, o * width, (o + 1) * width);
  }
}
