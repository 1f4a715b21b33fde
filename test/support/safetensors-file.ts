import { fromFloat64 } from "../../src/formats/decode.ts";
import type { FloatType } from "../../src/formats/dtype.ts";

/** A tensor to put in a test's file. */
export interface TestTensor {
  readonly shape: readonly number[];
  readonly values: readonly number[];
  /** Default float32. */
  readonly dtype?: FloatType;
}

const NAMES: Readonly<Record<FloatType, string>> = {
  float64: "F64",
  float32: "F32",
  float16: "F16",
  bfloat16: "BF16",
  float8_e4m3fn: "F8_E4M3",
  float8_e5m2: "F8_E5M2",
};

/** The bytes of a safetensors file, written by hand from the format's description. */
export function safetensorsFile(tensors: Readonly<Record<string, TestTensor>>): Uint8Array {
  const header: Record<string, object> = {};
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const [name, { shape, values, dtype = "float32" }] of Object.entries(tensors)) {
    const bytes = fromFloat64(dtype, Float64Array.from(values));
    header[name] = { dtype: NAMES[dtype], shape, data_offsets: [offset, offset + bytes.length] };
    parts.push(bytes);
    offset += bytes.length;
  }
  return withHeader(header, parts);
}

/** A file from any header, right or wrong. */
export function withHeader(header: object, parts: readonly Uint8Array[]): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const prefix = new Uint8Array(8);
  new DataView(prefix.buffer).setBigUint64(0, BigInt(json.length), true);
  return Uint8Array.from([prefix, json, ...parts].flatMap((part) => [...part]));
}

/** A diagonal matrix: its singular values are known. */
export function diagonal(values: readonly number[], dtype?: FloatType): TestTensor {
  const n = values.length;
  const all = Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? values[i / (n + 1)]! : 0));
  return { shape: [n, n], values: all, ...(dtype === undefined ? {} : { dtype }) };
}

/** Repeatable numbers in (−1, 1). */
export function noise(count: number, seed = 1): number[] {
  let state = seed >>> 0;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}
