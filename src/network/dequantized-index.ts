import { rowMajorStrides } from "./shapes/value.ts";
import type { StridedView } from "./strided-view.ts";

/**
 * One axis along which scales (or zero points) differ. The element at offset o of the stored weight lies at
 * ⌊o / stride⌋ mod size on it, every `block` of these share a scale, and the next block's scale is `step` further on.
 */
export interface IndexDigit {
  readonly stride: number;
  readonly size: number;
  readonly block: number;
  readonly step: number;
}

/** Which scale an element of a weight has, by its offset in the stored order: a sum over axes. `[]`: all the same. */
export type ElementIndex = readonly IndexDigit[];

/** The number of the scale that the element at this offset has. */
export function indexAt(index: ElementIndex, offset: number): number {
  let at = 0;
  for (const { stride, size, block, step } of index) {
    at += Math.floor((Math.floor(offset / stride) % size) / block) * step;
  }
  return at;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** Offsets between two multiples of this number share their scale; 0 when all do. */
export function runLength(index: ElementIndex): number {
  return index.reduce((run, { stride, size, block }) => gcd(run, stride * gcd(size, block)), 0);
}

/** The range [first, last) of scales that elements [start, end) may have, end > start; as tight as it is cheap. */
export function indexRange(index: ElementIndex, start: number, end: number): readonly [number, number] {
  let first = 0;
  let last = 0;
  for (const { stride, size, block, step } of index) {
    const [low, high] = [Math.floor(start / stride), Math.floor((end - 1) / stride)];
    const wraps = Math.floor(low / size) !== Math.floor(high / size);
    first += (wraps ? 0 : Math.floor((low % size) / block)) * step;
    last += Math.floor((wraps ? size - 1 : high % size) / block) * step;
  }
  return [first, last + 1];
}

/** Where scales (or zero points) of some shape lie along a weight as an operator sees it. */
export interface Placement {
  /** The weight's axis that each axis of the scales follows; null where they must have size 1. */
  readonly axes: readonly (number | null)[];
  /** An axis of the weight along which blocks of this many elements share a scale. */
  readonly blocks?: { readonly axis: number; readonly size: number };
}

/**
 * The index of scales of `shape` for a weight seen as `view`; null when they do not fit. One number serves all
 * elements, whatever its shape; an axis of size 1 serves all of the weight's.
 */
export function elementIndex(
  view: StridedView,
  shape: readonly number[],
  { axes, blocks }: Placement,
): ElementIndex | null {
  if (shape.every((d) => d === 1)) return [];
  if (shape.length !== axes.length) return null;
  const steps = rowMajorStrides(shape);
  const digits: IndexDigit[] = [];
  for (const [i, axis] of axes.entries()) {
    if (shape[i] === 1) continue;
    if (axis === null) return null;
    const size = view.shape[axis];
    const block = blocks?.axis === axis ? blocks.size : 1;
    if (shape[i] !== Math.ceil(size / block)) return null;
    digits.push({ stride: view.strides[axis], size, block, step: steps[i] });
  }
  return digits;
}
