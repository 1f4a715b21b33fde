import type { ElementType } from "../lowered.ts";
import type { Lower, Lowering, Lowerings } from "./lowering.ts";

const isFloat = (dtype: ElementType) => dtype.startsWith("float");

const RANGES: Readonly<Partial<Record<ElementType, readonly [number, number]>>> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
};

const cast: Lower<"cast"> = (lowering, { inputs: [x], dtype }) => {
  const name = lowering.name(x);
  return isFloat(x.dtype) && RANGES[dtype] !== undefined
    ? saturated(lowering, name, x.dtype, dtype)
    : lowering.cast(name, dtype);
};

/** Truncates towards zero; what does not fit becomes the nearest integer that does, and NaN zero. */
function saturated(lowering: Lowering, name: string, from: ElementType, to: ElementType): string {
  const { emitter } = lowering;
  const [low, high] = RANGES[to]!;
  // Every bound is exact in float64, where the conversion is then within range.
  const wide = from === "float64" ? name : lowering.cast(name, "float64");
  const number = emitter.op("Where", [emitter.op("IsNaN", [wide]), emitter.scalar(0, "float64"), wide]);
  const within = emitter.op("Clip", [
    number,
    emitter.scalar(low, "float64"),
    emitter.scalar(high, "float64"),
  ]);
  return lowering.cast(lowering.cast(within, "int64"), to);
}

const bitcast: Lower<"bitcast"> = (lowering, { inputs: [x], dtype }) => {
  const name = lowering.name(x);
  // Between integers a cast keeps the bits.
  return isFloat(x.dtype) || isFloat(dtype) ? lowering.bitcast(name, dtype) : lowering.cast(name, dtype);
};

export const CONVERSIONS: Lowerings = { cast, bitcast };
