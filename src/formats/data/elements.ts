import { toFloat64 } from "../decode.ts";
import { bytesPerElement, isFloatType } from "../dtype.ts";

interface IntegerType {
  readonly bytes: number;
  /** The elements of aligned little-endian bytes. */
  view(
    buffer: ArrayBufferLike,
    offset: number,
    count: number,
  ): Iterable<number | bigint> & ArrayLike<unknown>;
}

/** Whole numbers (and booleans, one byte each) that data files hold: pixels and labels. */
const INTEGERS: Readonly<Record<string, IntegerType>> = {
  bool: { bytes: 1, view: (buffer, offset, count) => new Uint8Array(buffer, offset, count) },
  int8: { bytes: 1, view: (buffer, offset, count) => new Int8Array(buffer, offset, count) },
  uint8: { bytes: 1, view: (buffer, offset, count) => new Uint8Array(buffer, offset, count) },
  int16: { bytes: 2, view: (buffer, offset, count) => new Int16Array(buffer, offset, count) },
  uint16: { bytes: 2, view: (buffer, offset, count) => new Uint16Array(buffer, offset, count) },
  int32: { bytes: 4, view: (buffer, offset, count) => new Int32Array(buffer, offset, count) },
  uint32: { bytes: 4, view: (buffer, offset, count) => new Uint32Array(buffer, offset, count) },
  int64: { bytes: 8, view: (buffer, offset, count) => new BigInt64Array(buffer, offset, count) },
  uint64: { bytes: 8, view: (buffer, offset, count) => new BigUint64Array(buffer, offset, count) },
};

/** Bytes per element, or null for a type that does not hold real numbers. */
export function bytesPerNumber(dtype: string): number | null {
  if (isFloatType(dtype)) return bytesPerElement(dtype);
  return Object.hasOwn(INTEGERS, dtype) ? INTEGERS[dtype].bytes : null;
}

/**
 * Little-endian elements as float64: exact, except for whole numbers beyond 2⁵³, which are rounded.
 * @throws RangeError for a type without a size in bytes (`bytesPerNumber`).
 */
export function toNumbers(dtype: string, bytes: Uint8Array): Float64Array {
  if (isFloatType(dtype)) return toFloat64(dtype, bytes);
  const type = Object.hasOwn(INTEGERS, dtype) ? INTEGERS[dtype] : undefined;
  if (type === undefined) throw new RangeError(`${dtype} elements are not real numbers`);
  const aligned = bytes.byteOffset % type.bytes === 0 ? bytes : bytes.slice();
  return Float64Array.from(type.view(aligned.buffer, aligned.byteOffset, bytes.length / type.bytes), Number);
}
