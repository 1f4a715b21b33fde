import { rowMajorStrides } from "../shapes/value.ts";
import { axisRange, separableSources, sizeOf } from "./index-maps.ts";
import type { BoundInput } from "./rule.ts";

const OUTSIDE = "an index lies outside its axis";

/** An index counted from the front, or −1 when it lies outside the axis. */
export function position(index: number, size: number): number {
  const i = index < 0 ? index + size : index;
  return i >= 0 && i < size ? i : -1;
}

/** The positions of whole slices of a tensor: indices along one axis, everything along the others. */
export function slicePositions(
  shape: readonly number[],
  axis: number,
  indices: Float64Array,
): Int32Array | string {
  const strides = rowMajorStrides(shape);
  const along = Int32Array.from(indices, (i) => {
    const at = position(i, shape[axis]);
    return at < 0 ? -1 : at * strides[axis];
  });
  if (along.includes(-1)) return OUTSIDE;
  return separableSources(shape.map((size, a) => (a === axis ? along : axisRange(size, strides[a]))));
}

/** The positions that single indices along one axis pick (GatherElements, ScatterElements). */
export function elementPositions(
  shape: readonly number[],
  axis: number,
  indices: BoundInput,
): Int32Array | string {
  const { data } = indices;
  if (data === undefined) return "its indices are not known";
  const strides = rowMajorStrides(shape);
  const others = indices.shape.map((size, a) => axisRange(size, a === axis ? 0 : strides[a]));
  const positions = separableSources(others);
  for (let i = 0; i < positions.length; i++) {
    const at = position(data[i], shape[axis]);
    if (at < 0) return OUTSIDE;
    positions[i] += at * strides[axis];
  }
  return positions;
}

/** The positions of the slices that index tuples name (GatherND, ScatterND), the first `batch` axes in common. */
export function tuplePositions(
  shape: readonly number[],
  indices: BoundInput,
  batch: number,
): Int32Array | string {
  const { data } = indices;
  const depth = indices.shape.at(-1);
  if (data === undefined || depth === undefined) return "its indices are not known";
  const strides = rowMajorStrides(shape);
  const named = shape.slice(batch, batch + depth);
  if (named.length < depth) return "its indices name more axes than there are";
  const groups = sizeOf(shape.slice(0, batch));
  const tuples = sizeOf(indices.shape.slice(batch, -1));
  const starts = new Int32Array(groups * tuples);
  for (let i = 0; i < starts.length; i++) {
    let at = Math.floor(i / tuples) * sizeOf(shape.slice(batch));
    for (let k = 0; k < depth; k++) {
      const p = position(data[i * depth + k], named[k]);
      if (p < 0) return OUTSIDE;
      at += p * strides[batch + k];
    }
    starts[i] = at;
  }
  return separableSources([starts, axisRange(sizeOf(shape.slice(batch + depth)), 1)]);
}
