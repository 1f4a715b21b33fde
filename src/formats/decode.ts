import { bytesPerElement, type FloatType } from "./dtype.ts";

/** A floating-point type of at most 16 bits: sign, exponent, mantissa. */
interface SmallFloat {
  readonly bits: 8 | 16;
  readonly mantissaBits: number;
  /** Exponent of the smallest normal number (also the scale of subnormal ones). */
  readonly minExponent: number;
  /** Magnitude bits of the largest finite number. */
  readonly maxFinite: number;
  /** Magnitude bits of ∞, or null when the type has none. */
  readonly infinity: number | null;
  /** Magnitude bits of the NaN that is written. */
  readonly nan: number;
}

const SMALL: Readonly<Record<Exclude<FloatType, "float64" | "float32">, SmallFloat>> = {
  float16: { bits: 16, mantissaBits: 10, minExponent: -14, maxFinite: 0x7bff, infinity: 0x7c00, nan: 0x7e00 },
  bfloat16: {
    bits: 16,
    mantissaBits: 7,
    minExponent: -126,
    maxFinite: 0x7f7f,
    infinity: 0x7f80,
    nan: 0x7fc0,
  },
  float8_e4m3fn: { bits: 8, mantissaBits: 3, minExponent: -6, maxFinite: 0x7e, infinity: null, nan: 0x7f },
  float8_e5m2: { bits: 8, mantissaBits: 2, minExponent: -14, maxFinite: 0x7b, infinity: 0x7c, nan: 0x7e },
};

function isSmall(dtype: FloatType): dtype is keyof typeof SMALL {
  return Object.hasOwn(SMALL, dtype);
}

function decodeBits(type: SmallFloat, bits: number): number {
  const sign = bits >> (type.bits - 1) ? -1 : 1;
  const magnitude = bits & (2 ** (type.bits - 1) - 1);
  if (magnitude > type.maxFinite) return magnitude === type.infinity ? sign * Infinity : NaN;
  const exponent = magnitude >> type.mantissaBits;
  const mantissa = magnitude & (2 ** type.mantissaBits - 1);
  const significand = exponent === 0 ? mantissa : mantissa + 2 ** type.mantissaBits;
  return sign * significand * 2 ** (type.minExponent + Math.max(exponent - 1, 0) - type.mantissaBits);
}

const tables = new Map<SmallFloat, Float64Array>();

/** Every value of a small type by its bits; made at first use. */
function tableOf(type: SmallFloat): Float64Array {
  const made =
    tables.get(type) ?? Float64Array.from({ length: 2 ** type.bits }, (_, bits) => decodeBits(type, bits));
  tables.set(type, made);
  return made;
}

/** Typed arrays need aligned memory; little-endian hosts are assumed, as everywhere in WebAssembly and JS engines. */
function aligned(bytes: Uint8Array, itemBytes: number): Uint8Array {
  return bytes.byteOffset % itemBytes === 0 ? bytes : bytes.slice();
}

/**
 * Little-endian elements as float64, exactly. NaN payloads are not kept.
 * @throws RangeError when `bytes` is not a whole number of elements.
 */
export function toFloat64(dtype: FloatType, bytes: Uint8Array): Float64Array {
  const itemBytes = bytesPerElement(dtype);
  const count = bytes.length / itemBytes;
  if (!Number.isInteger(count)) {
    throw new RangeError(`${bytes.length} bytes are not a whole number of ${dtype} elements`);
  }
  const { buffer, byteOffset } = aligned(bytes, itemBytes);
  if (dtype === "float64") return new Float64Array(buffer, byteOffset, count).slice();
  if (dtype === "float32") return Float64Array.from(new Float32Array(buffer, byteOffset, count));
  if (!isSmall(dtype)) throw new RangeError(`${dtype} is not a floating-point type`);
  const table = tableOf(SMALL[dtype]);
  const stored =
    itemBytes === 2 ? new Uint16Array(buffer, byteOffset, count) : new Uint8Array(buffer, byteOffset, count);
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) values[i] = table[stored[i]];
  return values;
}

const scratch = new Float64Array(1);
const scratchWords = new Uint32Array(scratch.buffer);

/** Adding and subtracting 2^52 rounds a smaller non-negative number to a whole one, ties to even. */
const ROUNDER = 2 ** 52;

/** Exponent field of the float64 numbers in [1, 2). */
const BIAS = 1023;

const scales = new Map<SmallFloat, Float64Array>();

/** For every exponent field of a float64: the power of two that makes one unit in the last place of `type` a 1. */
function scalesOf(type: SmallFloat): Float64Array {
  const { mantissaBits, minExponent } = type;
  const scale = (_: unknown, field: number) => 2 ** (mantissaBits - Math.max(field - BIAS, minExponent));
  const made = scales.get(type) ?? Float64Array.from({ length: 2047 }, scale);
  scales.set(type, made);
  return made;
}

function encodeBits(type: SmallFloat, scale: Float64Array, value: number): number {
  scratch[0] = value;
  const high = scratchWords[1];
  const sign = (high >>> 31) << (type.bits - 1);
  if (Number.isNaN(value)) return sign | type.nan;
  const magnitude = Math.abs(value);
  const overflow = sign | (type.infinity ?? type.maxFinite);
  if (magnitude === Infinity) return overflow;
  const field = (high >>> 20) & 0x7ff;
  // Multiplying by this power of two is exact: the product lies below 2^(mantissa bits + 1), and tiny numbers grow.
  const rounded = magnitude * scale[field] + ROUNDER - ROUNDER;
  const binade = Math.max(field - BIAS - type.minExponent, 0);
  const bits = (binade << type.mantissaBits) + rounded;
  return bits > type.maxFinite ? overflow : sign | bits;
}

/**
 * float64 values as little-endian elements, each rounded once, to nearest, ties to even. Beyond the largest finite
 * number: ±∞, as IEEE 754 says, except in float8_e4m3fn, which has none and saturates at ±448 (as ONNX Cast does
 * by default).
 */
export function fromFloat64(dtype: FloatType, values: Float64Array): Uint8Array {
  if (dtype === "float64") return new Uint8Array(values.slice().buffer);
  if (dtype === "float32") return new Uint8Array(Float32Array.from(values).buffer);
  const type = SMALL[dtype];
  const stored = type.bits === 16 ? new Uint16Array(values.length) : new Uint8Array(values.length);
  const scale = scalesOf(type);
  for (let i = 0; i < values.length; i++) stored[i] = encodeBits(type, scale, values[i]);
  return new Uint8Array(stored.buffer);
}
