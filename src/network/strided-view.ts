import { rowMajorStrides } from "./shapes/value.ts";

/** A tensor seen through transposes and reshapes: element (i₁, …) lies at Σ iₐ·strideₐ of the stored order. */
export interface StridedView {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** A stored tensor as it is. */
export function storedView(shape: readonly number[]): StridedView {
  return { shape, strides: rowMajorStrides(shape) };
}

/** The view with its axes in the order `perm`; null when `perm` is no permutation of them. */
export function transposedView(view: StridedView, perm: readonly number[]): StridedView | null {
  if (perm.length !== view.shape.length || !view.shape.every((_, i) => perm.includes(i))) return null;
  return { shape: perm.map((p) => view.shape[p]), strides: perm.map((p) => view.strides[p]) };
}

/** Axes merged wherever consecutive ones run on without a gap; axes of size 1 dropped. */
function merged(view: StridedView): StridedView {
  const shape: number[] = [];
  const strides: number[] = [];
  view.shape.forEach((d, i) => {
    if (d === 1) return;
    const last = shape.length - 1;
    if (last >= 0 && strides[last] === d * view.strides[i]) {
      shape[last] *= d;
      strides[last] = view.strides[i];
    } else {
      shape.push(d);
      strides.push(view.strides[i]);
    }
  });
  return { shape, strides };
}

/** The view in another shape of as many elements, or null when that needs a copy. */
export function reshapedView(view: StridedView, shape: readonly number[]): StridedView | null {
  const count = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);
  if (count(shape) !== count(view.shape) || count(shape) === 0) return null;
  const runs = merged(view);
  const strides = new Array<number>(shape.length).fill(1);
  let run = runs.shape.length - 1;
  let used = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] === 1) continue;
    if (run < 0 || runs.shape[run] % (used * shape[i]) !== 0) return null;
    strides[i] = runs.strides[run] * used;
    used *= shape[i];
    if (used === runs.shape[run]) {
      run--;
      used = 1;
    }
  }
  return { shape, strides };
}

/** True when reading the view in row-major order reads the stored elements in their order. */
export function isStoredOrder(view: StridedView): boolean {
  const runs = merged(view);
  return runs.shape.length === 0 || (runs.shape.length === 1 && runs.strides[0] === 1);
}

/** The view with its last two axes exchanged. */
export function swapLastAxes(view: StridedView): StridedView {
  const last = view.shape.length - 1;
  const perm = [...view.shape.keys()];
  [perm[last - 1], perm[last]] = [last, last - 1];
  return { shape: perm.map((p) => view.shape[p]), strides: perm.map((p) => view.strides[p]) };
}

/**
 * The order in which the stored tensor's own axes appear in the view, or null when the view regroups them.
 * Axes of size 1 may stand anywhere.
 */
export function axisOrder(view: StridedView, stored: readonly number[]): readonly number[] | null {
  if (view.shape.length !== stored.length) return null;
  const strides = rowMajorStrides(stored);
  const free = new Set(stored.keys());
  const order = view.shape.map((d, i) => {
    for (const axis of free) {
      if (stored[axis] === d && (d === 1 || strides[axis] === view.strides[i])) {
        free.delete(axis);
        return axis;
      }
    }
    return -1;
  });
  return order.includes(-1) ? null : order;
}
