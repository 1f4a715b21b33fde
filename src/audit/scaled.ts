import { fromFloat64, toFloat64 } from "../formats/decode.ts";
import { bytesPerElement, type FloatType } from "../formats/dtype.ts";
import type { TensorEntry } from "../formats/model.ts";
import { type Content, floatTypeOf } from "./content.ts";

/**
 * How a scaled element returns to the file's type. "nearest" keeps each element closest. "dithered" rounds up or down
 * at random in proportion (stochastic rounding), so that the errors of many elements cancel in σ: rounding to nearest
 * can shift all elements the same way (a constant matrix in bfloat16 by up to 2⁻⁹).
 */
export type Rounding = "nearest" | "dithered";

/** Stored fraction bits and smallest normal exponent of the types coarse enough for dithering to matter. */
const COARSE: Partial<Record<FloatType, { readonly fraction: number; readonly minExponent: number }>> = {
  float16: { fraction: 10, minExponent: -14 },
  bfloat16: { fraction: 7, minExponent: -126 },
  float8_e4m3fn: { fraction: 3, minExponent: -6 },
  float8_e5m2: { fraction: 2, minExponent: -14 },
};

/** Elements decoded at a time: 8 MiB of float64. */
const BLOCK = 2 ** 20;

/** True when dithering can help: the type's steps are far apart compared with the precision promised. */
export function isCoarse(type: FloatType): boolean {
  return COARSE[type] !== undefined;
}

/** A tensor's elements times `factor`, rounded to its own type; the same bytes for every read. */
export function scaledContent(entry: TensorEntry, factor: number, rounding: Rounding): Content {
  const type = floatTypeOf(entry);
  const width = bytesPerElement(type);
  return {
    read: async (start, end) => {
      const out = new Uint8Array(end - start);
      for (let at = start; at < end; at += BLOCK * width) {
        const stop = Math.min(end, at + BLOCK * width);
        const values = toFloat64(type, await entry.read(at, stop));
        for (let i = 0; i < values.length; i++) values[i]! *= factor;
        if (rounding === "dithered") dither(values, type, at / width);
        out.set(fromFloat64(type, values), at - start);
      }
      return out;
    },
  };
}

/** Moves each value by less than half a step, by a hash of its place, before it is rounded to nearest. */
function dither(values: Float64Array, type: FloatType, first: number): void {
  const coarse = COARSE[type];
  if (coarse === undefined) return;
  for (let i = 0; i < values.length; i++) {
    const x = values[i]!;
    if (x === 0) continue;
    const exponent = Math.max(Math.floor(Math.log2(Math.abs(x))), coarse.minExponent);
    values[i] = x + (hash(first + i) - 0.5) * 2 ** (exponent - coarse.fraction);
  }
}

/** A number in [0, 1) from an integer: the finaliser of MurmurHash3. */
function hash(n: number): number {
  let h = (n | 0) ^ Math.imul(Math.floor(n / 2 ** 32), 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}
