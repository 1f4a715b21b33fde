import type { DType } from "./dtype.ts";
import { FormatError } from "./errors.ts";
import type { TensorEntry } from "./model.ts";
import type { ByteSource } from "./source.ts";

/** What a reader knows of a tensor whose elements lie in a file as `read` delivers them. */
export interface PlainTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly source: ByteSource;
  readonly start: number;
  readonly end: number;
  readonly fortranOrder?: boolean;
  readonly unsupported?: string;
}

/** @throws FormatError `truncated` unless 0 ≤ start ≤ end ≤ byteLength. */
export function checkElements(
  file: string,
  tensor: string,
  byteLength: number,
  start: number,
  end: number,
): void {
  if (start >= 0 && start <= end && end <= byteLength) return;
  throw new FormatError("truncated", `bytes ${start} to ${end} of ${byteLength} were wanted.`, {
    file,
    tensor,
  });
}

/** A tensor stored contiguous and uncompressed: readable by ranges and patchable in place. */
export function plainEntry(tensor: PlainTensor): TensorEntry {
  const { name, dtype, shape, source, start, end } = tensor;
  return {
    name,
    dtype,
    shape,
    byteLength: end - start,
    range: { source, start, end },
    ...(tensor.fortranOrder ? { fortranOrder: true } : {}),
    ...(tensor.unsupported === undefined ? {} : { unsupported: tensor.unsupported }),
    async read(from, to) {
      checkElements(source.name, name, end - start, from, to);
      return source.read(start + from, start + to);
    },
  };
}
