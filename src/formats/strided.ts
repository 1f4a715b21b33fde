/** Where a tensor's elements lie in a storage: element (i, j, …) at offset + i·strides[0] + j·strides[1] + …. */
export interface Strided {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly itemBytes: number;
}

export type Order = "row-major" | "column-major" | "scattered" | "overlapping";

/** How the elements lie: without gaps in one of the two plain orders, apart from each other, or sharing places. */
export function orderOf(shape: readonly number[], strides: readonly number[]): Order {
  if (isPacked([...shape.keys()].reverse(), shape, strides)) return "row-major";
  if (isPacked([...shape.keys()], shape, strides)) return "column-major";
  const axes = [...shape.keys()].filter((axis) => shape[axis] > 1).sort((a, b) => strides[a] - strides[b]);
  let reach = 1;
  for (const axis of axes) {
    if (strides[axis] < reach) return "overlapping";
    reach = strides[axis] * (shape[axis] - 1) + reach;
  }
  return "scattered";
}

/** True when the strides grow along `axes` exactly as sizes multiply; an axis of size 1 may have any stride. */
function isPacked(axes: readonly number[], shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (const axis of axes) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis];
  }
  return true;
}

/** Elements from the first to behind the last one, gaps included; Infinity when beyond what a file can hold. */
export function extentOf(shape: readonly number[], strides: readonly number[]): number {
  const extent = shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis], 1);
  return Number.isSafeInteger(extent) ? extent : Infinity;
}

/** The storage elements [start, end) in which the tensor's elements first … last (row-major numbers) lie. */
export function spanOf(
  { shape, strides }: Strided,
  first: number,
  last: number,
): { start: number; end: number } {
  const inner = shape.slice(1);
  const perRow = inner.reduce((product, size) => product * size, 1);
  const start = Math.floor(first / perRow) * (strides[0] ?? 0);
  return { start, end: Math.floor(last / perRow) * (strides[0] ?? 0) + extentOf(inner, strides.slice(1)) };
}

/** Calls `visit(storage offset)` for `count` elements in row-major order, beginning with element number `first`. */
function walk(
  { shape, strides }: Strided,
  first: number,
  count: number,
  visit: (offset: number) => void,
): void {
  const index = new Array<number>(shape.length).fill(0);
  let offset = 0;
  for (let axis = shape.length - 1, rest = first; axis >= 0; axis--) {
    index[axis] = rest % shape[axis];
    rest = Math.floor(rest / shape[axis]);
    offset += index[axis] * strides[axis];
  }
  for (let i = 0; i < count; i++) {
    visit(offset);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      offset += strides[axis];
      if (++index[axis] < shape[axis]) break;
      offset -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
}

/** Collects `count` elements from number `first` on, row-major; `stored[0]` is storage byte spanStart·itemBytes. */
export function gather(
  stored: Uint8Array,
  spanStart: number,
  layout: Strided,
  first: number,
  count: number,
): Uint8Array {
  const { itemBytes } = layout;
  const out = new Uint8Array(count * itemBytes);
  let at = 0;
  walk(layout, first, count, (offset) => {
    const from = (offset - spanStart) * itemBytes;
    for (let k = 0; k < itemBytes; k++) out[at++] = stored[from + k];
  });
  return out;
}

/** The inverse of `gather` for a whole tensor: puts row-major `values` into the storage from element `start` on. */
export function scatter(stored: Uint8Array, start: number, layout: Strided, values: Uint8Array): void {
  const { itemBytes } = layout;
  let at = 0;
  walk(layout, 0, values.length / itemBytes, (offset) => {
    const to = (start + offset) * itemBytes;
    for (let k = 0; k < itemBytes; k++) stored[to + k] = values[at++];
  });
}
