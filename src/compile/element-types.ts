import type { ElementType } from "./lowered.ts";

/** Elements as onnxruntime holds them: bool in bytes, float16 as bits. */
export type HostData = Float32Array | Float64Array | Uint16Array | Int32Array | Uint32Array | Uint8Array;

const CONSTRUCTORS = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  bool: Uint8Array,
} as const satisfies Record<ElementType, unknown>;

/** Zeros of an element type. */
export function hostData(dtype: ElementType, size: number): HostData {
  return new CONSTRUCTORS[dtype](size);
}

/** A view of elements that some typed array holds with the same width. */
export function hostView(dtype: ElementType, data: ArrayBufferView<ArrayBufferLike>): HostData {
  const Data = CONSTRUCTORS[dtype];
  return new Data(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength / Data.BYTES_PER_ELEMENT);
}

/** Elements as jax-js holds them: bool in 32-bit words. */
export type ArrayData =
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>;

/** JavaScript's own array of float16, on platforms that have one (Node 24, browsers of 2025). */
function float16Array():
  | (new (
      buffer: ArrayBuffer,
      offset: number,
      length: number,
    ) => ArrayData)
  | undefined {
  return (globalThis as { Float16Array?: new (...args: unknown[]) => ArrayData }).Float16Array;
}

/** Elements as jax-js holds them; those of bool are copied, all others are the same memory. */
export function arrayData(dtype: ElementType, data: HostData): ArrayData {
  if (dtype === "bool") return Int32Array.from(data);
  const Float16 = dtype === "float16" ? float16Array() : undefined;
  if (Float16 !== undefined) return new Float16(data.buffer as ArrayBuffer, data.byteOffset, data.length);
  return data as ArrayData;
}
