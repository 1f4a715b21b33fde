// Reading stored elements as float64. STORAGE is set per module by scripts/build-kernels.mjs.

/** 0 float64, 1 float32, 2 bfloat16, 3 float16. */
// @ts-ignore: a constant given to the compiler
@inline export const TYPE: i32 = STORAGE;

/** Bytes per element. */
// @ts-ignore: decorator
@inline export const BYTES: usize = TYPE == 0 ? 8 : TYPE == 1 ? 4 : 2;

/** The two elements at `a`. */
// @ts-ignore: decorator
@inline export function pair(a: usize): v128 {
  if (TYPE == 0) return v128.load(a);
  if (TYPE == 1) return f64x2.promote_low_f32x4(v128.load64_zero(a));
  // Two 16-bit patterns, each moved to the top of a 64-bit lane.
  const top = i8x16.shuffle(
    i64x2.splat(0), v128.load32_zero(a),
    0, 0, 0, 0, 0, 0, 16, 17, 0, 0, 0, 0, 0, 0, 18, 19,
  );
  if (TYPE == 2) return bfloat16(top);
  return float16(top);
}

// A shift by the difference in exponent width puts exponent and fraction where float64 has them; the sign is
// copied on the way and the copies masked out. What results is the value times a power of two, exactly, for
// zeros and subnormals too; infinities and NaN turn into values beyond the type's range, which `scan` looks for.

// @ts-ignore: decorator
@inline function bfloat16(top: v128): v128 {
  const moved = v128.and(i32x4.shr_s(top, 3), i64x2.splat(0x8fffffff00000000));
  return f64x2.mul(moved, f64x2.splat(reinterpret<f64>((1023 + 896) << 52)));
}

// @ts-ignore: decorator
@inline function float16(top: v128): v128 {
  const moved = v128.and(i32x4.shr_s(top, 6), i64x2.splat(0x81ffffff00000000));
  return f64x2.mul(moved, f64x2.splat(reinterpret<f64>((1023 + 1008) << 52)));
}
