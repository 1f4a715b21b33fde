import { FormatError, type FormatErrorCode } from "../errors.ts";
import { elementCount, MAX_RANK, showShape } from "../shape.ts";
import type { ByteSource } from "../source.ts";
import { readSwapped } from "../swap.ts";
import type { DataArray } from "./array.ts";
import { bytesPerNumber, toNumbers } from "./elements.ts";

/** Type codes of the IDX format (LeCun, the MNIST database); multi-byte elements are big-endian. */
const TYPES: Readonly<Record<number, string>> = {
  8: "uint8",
  9: "int8",
  11: "int16",
  12: "int32",
  13: "float32",
  14: "float64",
};

/** Two zero bytes, the type, the number of axes. */
const MAGIC_BYTES = 4;

/** True when a file begins as IDX does; two zero bytes are all the format has to be known by. */
export function looksLikeIdx(head: Uint8Array): boolean {
  return head.length >= MAGIC_BYTES && head[0] === 0 && head[1] === 0 && head[2] in TYPES && head[3] > 0;
}

/** The array of an IDX file: header checked against the file's length, elements on demand. */
export async function readIdx(source: ByteSource): Promise<DataArray> {
  const fail = (code: FormatErrorCode, what: string, byte: number): never => {
    throw new FormatError(code, what, { file: source.name, byte });
  };
  const [, , code, rank] = await source.read(0, MAGIC_BYTES);
  const dtype = TYPES[code];
  const dataStart = MAGIC_BYTES + 4 * rank;
  if (rank > MAX_RANK) fail("bad-shape", `${rank} axes are claimed; at most ${MAX_RANK} are read.`, 3);
  if (dataStart > source.byteLength) {
    fail("truncated", `the header needs ${dataStart} bytes, the file has ${source.byteLength}.`, 3);
  }
  const header = await source.read(MAGIC_BYTES, dataStart);
  const sizes = new DataView(header.buffer, header.byteOffset, header.length);
  const shape = Array.from({ length: rank }, (_, axis) => sizes.getUint32(4 * axis));
  const count = elementCount(shape) ?? fail("bad-shape", `${showShape(shape)} is not a possible shape.`, 4);
  const itemBytes = bytesPerNumber(dtype)!;
  const expected = dataStart + count * itemBytes;
  if (expected !== source.byteLength) {
    const code = expected > source.byteLength ? "truncated" : "corrupt";
    const what = `shape ${showShape(shape)} of ${dtype} makes a file of ${expected} bytes, got ${source.byteLength}.`;
    fail(code, what, 4);
  }
  const stored = (start: number, end: number) => source.read(dataStart + start, dataStart + end);
  return {
    file: source.name,
    dtype,
    shape,
    read: async (start, end) =>
      toNumbers(dtype, await readSwapped(stored, itemBytes, itemBytes * start, itemBytes * end)),
  };
}
