// Reading four stored elements as two pairs of float64. STORAGE is set per module by scripts/build-kernels.mjs.

/** 0 float64, 1 float32, 2 bfloat16, 3 float16. */
@inline const TYPE: i32 = STORAGE;

/** Bytes per element. */
@inline export const BYTES: usize = TYPE == 0 ? 8 : TYPE == 1 ? 4 : 2;

/** Bytes of four elements. */
@inline export const QUAD: usize = 4 * BYTES;

/** What `low` and `high` must be multiplied by to be the stored values: 2¹¹² for float16, else 1. */
@inline export const UNIT: f64 = TYPE == 3 ? reinterpret<f64>((1023 + 112) << 52) : 1;

/**
 * Two-byte elements as four float32. A bfloat16 is the upper half of one. A float16, extended by its sign, is moved
 * to where float32 has exponent and fraction, and the copies of the sign masked out. That is the value times 2⁻¹¹²,
 * exactly, zeros and subnormals included; infinities and NaN become 2¹⁶ and more, which a scan looks for.
 */
@inline export function quad(a: usize): v128 {
  if (TYPE <= 1) return i64x2.splat(0);
  if (TYPE == 2) return v128.shuffle<i16>(i64x2.splat(0), v128.load64_zero(a), 0, 8, 1, 9, 2, 10, 3, 11);
  return v128.and(i32x4.shl(v128.load16x4_s(a), 13), i32x4.splat(0x8fffffff));
}

/** The first two elements at `a`, over UNIT; q is quad(a). */
@inline export function low(q: v128, a: usize): v128 {
  if (TYPE == 0) return v128.load(a);
  if (TYPE == 1) return f64x2.promote_low_f32x4(v128.load64_zero(a));
  return f64x2.promote_low_f32x4(q);
}

/** The next two elements at `a`, over UNIT; q is quad(a). */
@inline export function high(q: v128, a: usize): v128 {
  if (TYPE == 0) return v128.load(a, 16);
  if (TYPE == 1) return f64x2.promote_low_f32x4(v128.load64_zero(a, 8));
  return f64x2.promote_low_f32x4(v128.shuffle<i64>(q, q, 1, 1));
}

/** A result of `low` or `high` as the stored values. */
@inline export function stored(x: v128): v128 {
  return TYPE == 3 ? f64x2.mul(x, f64x2.splat(UNIT)) : x;
}
