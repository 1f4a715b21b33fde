import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromFloat64, toFloat64 } from "./decode.ts";
import type { FloatType } from "./dtype.ts";

const SMALL = ["float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"] as const;

function allBits(dtype: FloatType): { bytes: Uint8Array; count: number } {
  const sixteen = dtype === "float16" || dtype === "bfloat16";
  const bits = sixteen
    ? Uint16Array.from({ length: 65536 }, (_, i) => i)
    : Uint8Array.from({ length: 256 }, (_, i) => i);
  return { bytes: new Uint8Array(bits.buffer), count: bits.length };
}

function bitsOf(dtype: FloatType, value: number): number {
  const bytes = fromFloat64(dtype, Float64Array.of(value));
  return bytes.length === 1 ? bytes[0] : bytes[0] | (bytes[1] << 8);
}

describe("small floats", () => {
  it.each(SMALL)("round trips every %s value", (dtype) => {
    const { bytes, count } = allBits(dtype);
    const values = toFloat64(dtype, bytes);
    const again = toFloat64(dtype, fromFloat64(dtype, values));
    expect(again).toEqual(values);
    const finite = [...values.keys()].filter((i) => !Number.isNaN(values[i]));
    const wide = count === 65536;
    for (const i of finite) {
      const want = wide ? bytes[2 * i] | (bytes[2 * i + 1] << 8) : bytes[i];
      if (bitsOf(dtype, values[i]) !== want) expect(bitsOf(dtype, values[i]), `bits ${i}`).toBe(want);
    }
    expect(finite.length).toBe(
      count - { float16: 2046, bfloat16: 254, float8_e4m3fn: 2, float8_e5m2: 6 }[dtype],
    );
  });

  it.each(SMALL)("rounds every %s midpoint to even, and its neighbours to the nearest", (dtype) => {
    const values = toFloat64(dtype, allBits(dtype).bytes);
    const largest = values.indexOf(Math.max(...values.filter(Number.isFinite)));
    let wrong = 0;
    for (let bits = 0; bits < largest; bits++) {
      const middle = (values[bits] + values[bits + 1]) / 2;
      const even = bits % 2 === 0 ? bits : bits + 1;
      const step = middle * 2 ** -52;
      const got = [middle, middle - step, middle + step].map((value) => bitsOf(dtype, value));
      if (got[0] !== even || got[1] !== bits || got[2] !== bits + 1) wrong++;
    }
    expect(wrong).toBe(0);
    expect(largest).toBeGreaterThan(100);
  });

  it("agrees with float32's own upper half for bfloat16", () => {
    const { bytes } = allBits("bfloat16");
    const widened = new Uint32Array(65536).map((_, i) => i * 65536);
    expect(toFloat64("bfloat16", bytes)).toEqual(Float64Array.from(new Float32Array(widened.buffer)));
  });

  it("knows the published landmarks", () => {
    expect([...toFloat64("float16", Uint8Array.of(0xff, 0x7b, 0x01, 0x00, 0x00, 0xfc))]).toEqual([
      65504,
      2 ** -24,
      -Infinity,
    ]);
    expect([...toFloat64("float8_e4m3fn", Uint8Array.of(0x7e, 0x01, 0x80, 0x7f))]).toEqual([
      448,
      2 ** -9,
      -0,
      NaN,
    ]);
    expect([...toFloat64("float8_e5m2", Uint8Array.of(0x7b, 0x01, 0x7c))]).toEqual([
      57344,
      2 ** -16,
      Infinity,
    ]);
  });

  it("overflows by each type's own rule", () => {
    expect(bitsOf("float16", 65519.999)).toBe(0x7bff);
    expect(bitsOf("float16", 65520)).toBe(0x7c00);
    expect(bitsOf("float8_e5m2", 1e9)).toBe(0x7c);
    expect(bitsOf("bfloat16", -1e308)).toBe(0xff80);
    expect(bitsOf("float8_e4m3fn", 1e9)).toBe(0x7e);
    expect(bitsOf("float8_e4m3fn", -Infinity)).toBe(0xfe);
    expect(bitsOf("float8_e4m3fn", NaN)).toBe(0x7f);
    expect(bitsOf("float16", 5e-324)).toBe(0);
    expect(bitsOf("bfloat16", -5e-324)).toBe(0x8000);
  });
});

describe("float32 and float64", () => {
  it("are exact, also from unaligned bytes", () => {
    fc.assert(
      fc.property(fc.array(fc.float(), { minLength: 1 }), fc.integer({ min: 0, max: 7 }), (list, shift) => {
        for (const dtype of ["float32", "float64"] as const) {
          const bytes = fromFloat64(dtype, Float64Array.from(list));
          const moved = new Uint8Array(bytes.length + shift);
          moved.set(bytes, shift);
          expect(toFloat64(dtype, moved.subarray(shift))).toEqual(Float64Array.from(list));
        }
      }),
    );
  });

  it("refuse half an element", () => {
    expect(() => toFloat64("float32", new Uint8Array(6))).toThrow(RangeError);
  });
});
