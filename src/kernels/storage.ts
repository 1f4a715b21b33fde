import type { StorageType } from "./types.ts";

/** Bytes per stored element. */
export const STORAGE_BYTES: Readonly<Record<StorageType, number>> = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
};

/** The exact value of an IEEE binary16 bit pattern, subnormals, infinities and NaN included. */
export function float16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

const word = new Uint32Array(1);
const wordAsFloat = new Float32Array(word.buffer);

/** The exact value of a bfloat16 bit pattern: the upper half of a float32. */
export function bfloat16Value(bits: number): number {
  word[0] = bits << 16;
  return wordAsFloat[0]!;
}

/** A reader of the index-th little-endian element in `bytes`, which need not be aligned. */
export function elementReader(type: StorageType, bytes: Uint8Array): (index: number) => number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (type) {
    case "float64":
      return (index) => view.getFloat64(8 * index, true);
    case "float32":
      return (index) => view.getFloat32(4 * index, true);
    case "float16":
      return (index) => float16Value(view.getUint16(2 * index, true));
    case "bfloat16":
      return (index) => bfloat16Value(view.getUint16(2 * index, true));
  }
}
