import { STORAGE_BYTES } from "./storage.ts";
import type { Kernels, RowBlock, StorageType } from "./types.ts";

export const STORAGE_TYPES: readonly StorageType[] = ["float64", "float32", "float16", "bfloat16"];

/** A seeded generator of numbers in [0, 1) (mulberry32): enough for test data. */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Whole numbers from −8 to 8: exact in every storage type, and so are all sums of products of them. */
export function integers(random: () => number, length: number): Float64Array {
  return Float64Array.from({ length }, () => Math.floor(random() * 17) - 8);
}

/** Numbers from −1 to 1. */
export function reals(random: () => number, length: number): Float64Array {
  return Float64Array.from({ length }, () => 2 * random() - 1);
}

/** Little-endian elements; values must be exact in the type, and normal or zero in float16. */
export function encode(type: StorageType, values: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(values.length * STORAGE_BYTES[type]);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (type === "float64") view.setFloat64(8 * i, value, true);
    else if (type === "float32") view.setFloat32(4 * i, value, true);
    else view.setUint16(2 * i, type === "bfloat16" ? float32Bits(value) >>> 16 : float16Bits(value), true);
  }
  return bytes;
}

function float32Bits(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0]!;
}

/** Float32 bits with the exponent and fraction narrowed; NaN and infinities keep their all-ones exponent. */
function float16Bits(value: number): number {
  const bits = float32Bits(value);
  const sign = (bits >>> 16) & 0x8000;
  const fraction = (bits >>> 13) & 0x3ff;
  if (value === 0) return sign;
  if (!Number.isFinite(value)) return sign | 0x7c00 | fraction;
  return sign | ((((bits >>> 23) & 255) - 112) << 10) | fraction;
}

export function blockOf(
  kernels: Kernels,
  type: StorageType,
  values: ArrayLike<number>,
  rows: number,
  cols: number,
): RowBlock {
  const block = kernels.rowBlock(type, rows, cols);
  block.load(encode(type, values), 0);
  return block;
}

/** A B for row-major A (m × k) and B (k × n), by plain loops. */
export function product(a: Float64Array, b: Float64Array, m: number, k: number, n: number): Float64Array {
  const c = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let l = 0; l < k; l++) sum += a[i * k + l]! * b[l * n + j]!;
      c[i * n + j] = sum;
    }
  }
  return c;
}

/** Aᵀ for row-major A (m × n). */
export function transpose(a: Float64Array, m: number, n: number): Float64Array {
  return Float64Array.from({ length: m * n }, (_, i) => a[(i % m) * n + Math.floor(i / m)]!);
}

/** The largest |x − y| / bound, 0 / 0 counting as 0: at most 1 when every difference keeps its bound. */
export function worstRatio(x: Float64Array, y: Float64Array, bound: Float64Array): number {
  let worst = 0;
  for (let i = 0; i < x.length; i++) {
    const error = Math.abs(x[i]! - y[i]!);
    if (error !== 0) worst = Math.max(worst, error / bound[i]!);
    if (Number.isNaN(error)) return Number.NaN;
  }
  return worst;
}

/** True when all entries are equal numbers (zeros of either sign are). */
export function same(x: ArrayLike<number>, y: ArrayLike<number>): boolean {
  if (x.length !== y.length) return false;
  for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return false;
  return true;
}
