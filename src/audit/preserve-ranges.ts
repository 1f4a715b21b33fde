import type { FloatType } from "../formats/dtype.ts";

/** What a floating-point type can hold. */
export interface FloatRange {
  /** Smallest normal number: below it digits are lost. */
  readonly smallest: number;
  readonly largest: number;
  /** Distance of neighbours, relative to the smaller. */
  readonly step: number;
  /** Smallest positive number. */
  readonly tiniest: number;
}

export const FLOAT_RANGES: Readonly<Record<FloatType, FloatRange>> = {
  float64: { smallest: 2 ** -1022, largest: Number.MAX_VALUE, step: 2 ** -52, tiniest: 2 ** -1074 },
  float32: { smallest: 2 ** -126, largest: (2 - 2 ** -23) * 2 ** 127, step: 2 ** -23, tiniest: 2 ** -149 },
  bfloat16: { smallest: 2 ** -126, largest: (2 - 2 ** -7) * 2 ** 127, step: 2 ** -7, tiniest: 2 ** -133 },
  float16: { smallest: 2 ** -14, largest: 65504, step: 2 ** -10, tiniest: 2 ** -24 },
  float8_e4m3fn: { smallest: 2 ** -6, largest: 448, step: 2 ** -3, tiniest: 2 ** -9 },
  float8_e5m2: { smallest: 2 ** -14, largest: 57344, step: 2 ** -2, tiniest: 2 ** -16 },
};
