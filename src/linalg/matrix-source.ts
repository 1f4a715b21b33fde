import { type Float8Type, widenFloat8 } from "../kernels/float8.ts";
import { STORAGE_BYTES } from "../kernels/storage.ts";
import type { StorageType } from "../kernels/types.ts";

/** Element types an analysis reads. */
export type ElementType = StorageType | Float8Type;

/** Rows of a stored matrix on demand. */
export interface MatrixSource {
  readonly type: ElementType;
  readonly rows: number;
  readonly cols: number;
  /** Little-endian, row-major element bytes of rows [start, end). */
  readRows(start: number, end: number): Promise<Uint8Array>;
}

/** How the kernels hold elements of this type. */
export function storageType(type: ElementType): StorageType {
  return type === "float8_e4m3fn" || type === "float8_e5m2" ? "bfloat16" : type;
}

/** Bytes of one element as the kernels hold it. */
export function storageBytes(type: ElementType): number {
  return STORAGE_BYTES[storageType(type)];
}

/** Stored elements as the kernels take them. */
export function toStorage(type: ElementType, bytes: Uint8Array): Uint8Array {
  return type === "float8_e4m3fn" || type === "float8_e5m2" ? widenFloat8(type, bytes) : bytes;
}

/** float64 elements multiplied by a power of two. */
export function scaleFloat64(bytes: Uint8Array, scale: number): Uint8Array {
  const scaled = new Uint8Array(bytes.length);
  const from = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const to = new DataView(scaled.buffer);
  for (let i = 0; i < bytes.length; i += 8) to.setFloat64(i, from.getFloat64(i, true) * scale, true);
  return scaled;
}

/**
 * The source with every element multiplied by a power of two, for float64 entries so large or small that their
 * squares would leave the range. Narrower types never need it.
 */
export function scaledSource(source: MatrixSource, scale: number): MatrixSource {
  if (scale === 1) return source;
  return {
    ...source,
    readRows: async (start, end) => scaleFloat64(await source.readRows(start, end), scale),
  };
}
