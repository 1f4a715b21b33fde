import { ArrayType } from "./array-type.ts";
import { hostBuffers } from "./buffer-pool.ts";
import { described, withArticle } from "./described.ts";
import { type ArrayData, hostView } from "./element-types.ts";
import { ArgumentError } from "./errors.ts";
import type { ElementType } from "./lowered.ts";
import { type NativeArray, nativeArray } from "./native-array.ts";

type TypedArray = ArrayData | Uint8Array<ArrayBuffer>;

/** The element type that each typed array holds, unless another of the same kind is asked for. */
const TYPES_OF_DATA: readonly (readonly [new (length: number) => unknown, ElementType])[] = [
  [Float32Array, "float32"],
  [Float64Array, "float64"],
  [Int32Array, "int32"],
  [Uint32Array, "uint32"],
  [Uint8Array, "bool"],
  [Uint16Array, "float16"],
];

/**
 * A NativeArray with a copy of these elements, in row-major order: feeds batches without a detour through jax-js.
 * @param data Float32Array, Float64Array, Int32Array, Uint32Array; Uint8Array (or Int32Array with dtype "bool") for bool;
 * Uint16Array of bits, or Float16Array, for float16.
 * @throws ArgumentError when data, shape and dtype do not fit together.
 */
export function toNative(data: TypedArray, shape: readonly number[], dtype?: ElementType): NativeArray {
  const type = new ArrayType(shape, checkedType(data, dtype));
  if (!shape.every((n) => Number.isSafeInteger(n) && n >= 0)) {
    throw new ArgumentError(
      `toNative: shape must hold whole numbers of 0 or more; got [${shape.join(", ")}].`,
    );
  }
  if (data.length !== type.size) {
    throw new ArgumentError(
      `toNative: shape [${shape.join(", ")}] has ${type.size} elements, but data has ${data.length}.`,
    );
  }
  const buffer = hostBuffers.take(type);
  if (type.dtype === "bool") for (let i = 0; i < data.length; i++) buffer.data[i] = data[i] === 0 ? 0 : 1;
  else buffer.data.set(hostView(type.dtype, data));
  return nativeArray(type, buffer);
}

function checkedType(data: TypedArray, dtype: ElementType | undefined): ElementType {
  const own = ArrayBuffer.isView(data) ? typeOfData(data) : undefined;
  const wanted = dtype ?? own;
  if (own !== undefined && wanted !== undefined) {
    if (wanted === own || (wanted === "bool" && own === "int32")) return wanted;
  }
  throw new ArgumentError(
    `toNative: ${described(data)} cannot be ${withArticle(dtype === undefined ? "array" : `${dtype} array`)}. ` +
      "Give float32 as Float32Array, float64 as Float64Array, int32 as Int32Array, uint32 as Uint32Array, " +
      "bool as Uint8Array, float16 as bits in a Uint16Array.",
  );
}

function typeOfData(data: ArrayBufferView): ElementType | undefined {
  const known = TYPES_OF_DATA.find(([Data]) => data instanceof Data);
  return known?.[1] ?? (data.constructor.name === "Float16Array" ? "float16" : undefined);
}
