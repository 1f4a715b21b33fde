import { toFloat64 } from "../formats/decode.ts";
import { bytesPerElement, type FloatType, isFloatType } from "../formats/dtype.ts";
import type { TensorEntry } from "../formats/model.ts";

/** Numbers of a stored tensor that may be packed several to a byte, lowest bits first. */
export interface PackedElements {
  readonly tensor: TensorEntry;
  /** What one element is: the tensor's own type, or "uint4" where bytes hold two of them. */
  readonly type: string;
}

/** An 8- or 4-bit floating-point type: sign, exponent, mantissa. */
interface TinyFloat {
  readonly mantissaBits: number;
  /** Exponent of the smallest normal number. */
  readonly minExponent: number;
  /** The bits of its only NaN, or null when every pattern is a number. */
  readonly nan: number | null;
}

/** Types that only quantised models store; those of `formats/decode.ts` are read by it. */
const TINY: Readonly<Record<string, TinyFloat>> = {
  float4_e2m1: { mantissaBits: 1, minExponent: 0, nan: null },
  float8_e4m3fnuz: { mantissaBits: 3, minExponent: -7, nan: 0x80 },
  float8_e5m2fnuz: { mantissaBits: 2, minExponent: -15, nan: 0x80 },
};

/** Bits of an element of every type that is a small code: fewer than 2¹⁶ values, so a table holds them all. */
const CODE_BITS: Readonly<Record<string, number>> = {
  int2: 2,
  uint2: 2,
  int4: 4,
  uint4: 4,
  float4_e2m1: 4,
  int8: 8,
  uint8: 8,
  float8_e4m3fn: 8,
  float8_e4m3fnuz: 8,
  float8_e5m2: 8,
  float8_e5m2fnuz: 8,
  float8_e8m0: 8,
  int16: 16,
  uint16: 16,
};

/** Integer types that a weight or a zero point is stored as, with their bits. */
export function isIntegerType(type: string): boolean {
  return /^u?int(2|4|8|16)$/.test(type) || type === "int32";
}

/** True when elements of this type can be read as float64, each exactly. */
export function isElementType(type: string): boolean {
  return Object.hasOwn(CODE_BITS, type) || type === "int32" || isFloatType(type);
}

/** Bits of one element. @throws TypeError for a type that is not read. */
export function bitsPerElement(type: string): number {
  if (Object.hasOwn(CODE_BITS, type)) return CODE_BITS[type];
  if (type === "int32") return 32;
  if (isFloatType(type)) return 8 * bytesPerElement(type);
  throw new TypeError(`elements of type ${type} are not read`);
}

/** What keeps a tensor of a known type from being read whole (a sparse one holds no elements of its own); or null. */
export function unreadable(tensor: TensorEntry): string | null {
  const elements = tensor.shape.reduce((a, b) => a * b, 1);
  const bytes = Math.ceil((elements * bitsPerElement(tensor.dtype)) / 8);
  return tensor.byteLength === bytes ? null : (tensor.unsupported ?? `stored in ${tensor.byteLength} bytes`);
}

/** The value of each bit pattern of a type of at most 16 bits. */
function valueOfCode(type: string, bits: number): (code: number) => number {
  if (type.startsWith("uint")) return (code) => code;
  if (type.startsWith("int")) return (code) => (code < 2 ** (bits - 1) ? code : code - 2 ** bits);
  if (type === "float8_e8m0") return (code) => (code === 0xff ? Number.NaN : 2 ** (code - 127));
  if (Object.hasOwn(TINY, type)) return (code) => tinyFloat(TINY[type], bits, code);
  return (code) => toFloat64(type as FloatType, Uint8Array.of(code))[0];
}

function tinyFloat({ mantissaBits, minExponent, nan }: TinyFloat, bits: number, code: number): number {
  if (code === nan) return Number.NaN;
  const sign = code >> (bits - 1) ? -1 : 1;
  const magnitude = code & (2 ** (bits - 1) - 1);
  const exponent = magnitude >> mantissaBits;
  const mantissa = magnitude & (2 ** mantissaBits - 1);
  const significand = exponent === 0 ? mantissa : mantissa + 2 ** mantissaBits;
  return sign * significand * 2 ** (minExponent + Math.max(exponent - 1, 0) - mantissaBits);
}

const tables = new Map<string, Float64Array>();

/** Every value of a type by its bits; made at first use. */
function tableOf(type: string, bits: number): Float64Array {
  const value = valueOfCode(type, bits);
  const made = tables.get(type) ?? Float64Array.from({ length: 2 ** bits }, (_, code) => value(code));
  tables.set(type, made);
  return made;
}

/** Elements `first` … of bytes that begin with element `first − (first mod elements per byte)`. */
function unpack(bytes: Uint8Array, type: string, first: number, out: Float64Array): void {
  const bits = bitsPerElement(type);
  const table = tableOf(type, bits);
  if (bits === 8) {
    for (let i = 0; i < out.length; i++) out[i] = table[bytes[i]];
  } else if (bits === 16) {
    for (let i = 0; i < out.length; i++) out[i] = table[bytes[2 * i] | (bytes[2 * i + 1] << 8)];
  } else {
    const perByte = 8 / bits;
    const mask = 2 ** bits - 1;
    for (let i = 0, at = first % perByte; i < out.length; i++, at++) {
      out[i] = table[(bytes[Math.floor(at / perByte)] >> (bits * (at % perByte))) & mask];
    }
  }
}

function int32Values(bytes: Uint8Array, out: Float64Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < out.length; i++) out[i] = view.getInt32(4 * i, true);
}

/**
 * Elements [first, last) as float64, exactly; only the bytes that hold them are read.
 * @throws TypeError for a type that is not read, FormatError when the file cannot be read.
 */
export async function readElements(
  { tensor, type }: PackedElements,
  first: number,
  last: number,
): Promise<Float64Array> {
  const bits = bitsPerElement(type);
  const bytes = await tensor.read(Math.floor((first * bits) / 8), Math.ceil((last * bits) / 8));
  if (isFloatType(type) && !Object.hasOwn(CODE_BITS, type)) return toFloat64(type, bytes);
  const out = new Float64Array(last - first);
  if (type === "int32") int32Values(bytes, out);
  else unpack(bytes, type, first, out);
  return out;
}
