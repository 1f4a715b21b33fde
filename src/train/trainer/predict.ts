import type { DataArray } from "../data/arrays.ts";
import type { Shape } from "../types.ts";

/** Examples that go through the network at once: enough for its matrix products, little memory. */
const MOST_AT_ONCE = 256;

/**
 * How many examples each run takes: a power of two, so that predicting 1, 7 or 10,000 examples compiles at most nine programs.
 */
export function runSize(examples: number): number {
  return Math.min(MOST_AT_ONCE, 2 ** Math.ceil(Math.log2(examples)));
}

/** `size` examples from `start` on, zeros where there are no more. */
export function sliceOf({ data, shape }: DataArray, start: number, size: number): DataArray {
  const width = data.length / shape[0];
  const rows: Shape = [size, ...shape.slice(1)];
  const taken = data instanceof Int32Array ? new Int32Array(size * width) : new Float32Array(size * width);
  taken.set(data.subarray(start * width, (start + size) * width));
  return { data: taken, shape: rows };
}
