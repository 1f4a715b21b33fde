/**
 * Element types a model file may store. The names are the report's `dtype` values.
 * `auditable` types hold real numbers that we can read exactly into float64.
 */
export type FloatType = "float64" | "float32" | "float16" | "bfloat16" | "float8_e4m3fn" | "float8_e5m2";

/** Types that are listed in a report but not audited (integers, booleans, complex, packed quantised types). */
export type OpaqueType = string & { readonly opaque?: never };

export type DType = FloatType | OpaqueType;

const BYTES: Readonly<Record<FloatType, number>> = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  float8_e4m3fn: 1,
  float8_e5m2: 1,
};

/** True when every stored value is a real number with an exact float64 value. */
export function isFloatType(dtype: DType): dtype is FloatType {
  return Object.hasOwn(BYTES, dtype);
}

/** Bytes per element of a floating-point type. */
export function bytesPerElement(dtype: FloatType): number {
  return BYTES[dtype];
}
