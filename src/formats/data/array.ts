import { FormatError } from "../errors.ts";
import type { TensorEntry } from "../model.ts";
import { bytesPerNumber, toNumbers } from "./elements.ts";

/** An array of numbers in a data file; nothing of it is in memory until `read` is called. */
export interface DataArray {
  readonly file: string;
  /** Its name in an archive; absent where the file is one array. */
  readonly name?: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Elements [start, end) in row-major order. */
  read(start: number, end: number): Promise<Float64Array>;
}

/**
 * A NumPy array as data.
 * @throws FormatError `unsupported` unless it holds real numbers in row-major order.
 */
export function numpyArray(entry: TensorEntry, file: string, name?: string): DataArray {
  const { dtype, shape } = entry;
  const place = { file, ...(name === undefined ? {} : { tensor: name }) };
  const itemBytes = bytesPerNumber(dtype);
  if (itemBytes === null) {
    throw new FormatError("unsupported", `its elements are of type ${dtype}, not numbers.`, {
      ...place,
      hint: "Save it as float32, or whole numbers as uint8 or int64.",
    });
  }
  // Column by column is row by row where at most one axis is longer than 1.
  if (entry.fortranOrder && shape.filter((size) => size !== 1).length > 1) {
    throw new FormatError(
      "unsupported",
      "it is stored column by column (fortran_order), not point by point.",
      {
        ...place,
        hint: "Save numpy.ascontiguousarray(x) instead.",
      },
    );
  }
  return {
    file,
    ...(name === undefined ? {} : { name }),
    dtype,
    shape,
    read: async (start, end) => toNumbers(dtype, await entry.read(itemBytes * start, itemBytes * end)),
  };
}
