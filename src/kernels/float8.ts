/** The 8-bit types, whose every value is exact in bfloat16. */
export type Float8Type = "float8_e4m3fn" | "float8_e5m2";

/** Value of an e4m3fn pattern: bias 7, no infinities, S.1111.111 is NaN (Micikevicius et al. 2022). */
function e4m3fnValue(bits: number): number {
  const sign = bits & 0x80 ? -1 : 1;
  const exponent = (bits >> 3) & 15;
  const fraction = bits & 7;
  if (exponent === 15 && fraction === 7) return Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -9;
  return sign * (8 + fraction) * 2 ** (exponent - 10);
}

/** Value of an e5m2 pattern: the upper half of an IEEE half. */
function e5m2Value(bits: number): number {
  const sign = bits & 0x80 ? -1 : 1;
  const exponent = (bits >> 2) & 31;
  const fraction = bits & 3;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * fraction * 2 ** -16;
  return sign * (4 + fraction) * 2 ** (exponent - 17);
}

const tables = new Map<Float8Type, Uint16Array>();

function bfloat16Table(type: Float8Type): Uint16Array {
  let table = tables.get(type);
  if (table === undefined) {
    const value = type === "float8_e4m3fn" ? e4m3fnValue : e5m2Value;
    const words = new Uint32Array(Float32Array.from({ length: 256 }, (_, bits) => value(bits)).buffer);
    table = Uint16Array.from(words, (word) => word >>> 16);
    tables.set(type, table);
  }
  return table;
}

/** The same numbers as little-endian bfloat16: twice the bytes. */
export function widenFloat8(type: Float8Type, bytes: Uint8Array): Uint8Array {
  const table = bfloat16Table(type);
  const wide = new Uint8Array(2 * bytes.length);
  for (let i = 0; i < bytes.length; i++) {
    const bits = table[bytes[i]!]!;
    wide[2 * i] = bits & 255;
    wide[2 * i + 1] = bits >> 8;
  }
  return wide;
}
