import { describe, expect, it } from "vitest";
import { toFloat64 } from "../src/formats/decode.ts";
import { widenFloat8 } from "../src/kernels/float8.ts";

describe("float8 widened for the kernels", () => {
  for (const type of ["float8_e4m3fn", "float8_e5m2"] as const) {
    it(`${type} has the values the format reader gives, in all 256 patterns`, () => {
      const patterns = Uint8Array.from({ length: 256 }, (_, bits) => bits);
      const widened = toFloat64("bfloat16", widenFloat8(type, patterns));
      expect(Array.from(widened)).toEqual(Array.from(toFloat64(type, patterns)));
    });
  }
});
