import { FormatError } from "../errors.ts";
import type { DataFile } from "./open.ts";

/** Points at hand, one after another, each row-major. */
export type PointValues = Float32Array | Float64Array;

/** Classes at hand, one per point. */
export type LabelValues = readonly number[] | Int32Array;

/**
 * Points in memory as a data file of one array, [n, size].
 * @throws FormatError unless they are a whole number of points.
 */
export function pointValues(values: PointValues, size: number): DataFile {
  const file = "points in memory";
  if (values.length % size !== 0) {
    const what = `${values.length} numbers are not a whole number of points of ${size}.`;
    throw new FormatError("bad-shape", what, { file });
  }
  return inMemory(values, [values.length / size, size], file);
}

/** Labels in memory as a data file of one array. */
export function labelValues(values: LabelValues): DataFile {
  return inMemory(values, [values.length], "labels in memory");
}

function inMemory(values: PointValues | LabelValues, shape: readonly number[], file: string): DataFile {
  const read = async (start: number, end: number) => Float64Array.from(values.slice(start, end));
  return { file, content: { file, dtype: "float64", shape, read }, close: async () => {} };
}
