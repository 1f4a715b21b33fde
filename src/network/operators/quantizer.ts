import { normalizeAxis, rowMajorStrides } from "../shapes/value.ts";
import { separableSources, sizeOf } from "./index-maps.ts";
import type { Box } from "./operation.ts";
import type { BoundInput } from "./rule.ts";
import { product, roundDown, roundUp, sum } from "./scalar-interval.ts";

/** Nearest whole number, ties to even. */
export function roundHalfEven(x: number): number {
  const nearest = Math.round(x);
  return Math.abs(x % 1) === 0.5 && nearest % 2 !== 0 ? nearest - 1 : nearest;
}

/** Least and largest number of an integer type; undefined for other types. */
export function integerRange(dtype: string): readonly [number, number] | undefined {
  const [, unsigned, bits] = /^(u?)int(\d+)$/.exec(dtype) ?? [];
  if (bits === undefined) return undefined;
  return unsigned ? [0, 2 ** Number(bits) - 1] : [-(2 ** (Number(bits) - 1)), 2 ** (Number(bits) - 1) - 1];
}

/** Scales and zero points of a tensor's entries. */
export interface Coefficients {
  readonly scale: Float64Array;
  readonly zero: Float64Array | undefined;
  /** Which of them each entry has; absent where there is only one. */
  readonly places: Int32Array | undefined;
}

/** Where scales differ: along an axis, in blocks of entries where there is a block size. */
export interface Spread {
  readonly axis: number;
  readonly block?: number;
}

/** The scales and zero points of a tensor of this shape, or what does not fit. */
export function coefficientsOf(
  shape: readonly number[],
  scale: BoundInput | undefined,
  zero: BoundInput | undefined,
  spread: Spread,
): Coefficients | string {
  if (scale?.data === undefined || (zero !== undefined && zero.data === undefined))
    return "its scale or zero point depends on the network's input";
  if (!scale.data.every(Number.isFinite)) return "its scales are not all finite";
  const count = scale.data.length;
  if (zero?.data !== undefined && zero.data.length !== count && zero.data.length !== 1)
    return `it has ${count} scales and ${zero.data.length} zero points`;
  const places = count === 1 ? undefined : placesOf(shape, scale.shape, spread);
  if (places === null) return `scales of shape [${scale.shape}] do not fit shape [${shape}]`;
  const zeros = zero?.data?.length === 1 ? new Float64Array(count).fill(zero.data[0]) : zero?.data;
  return { scale: scale.data, zero: zeros, places };
}

function placesOf(
  shape: readonly number[],
  scales: readonly number[],
  { axis, block = 0 }: Spread,
): Int32Array | null {
  const at = normalizeAxis(axis, shape.length);
  if (at === null) return null;
  const strides = rowMajorStrides(scales);
  const blocked = block > 0;
  if (blocked ? scales.length !== shape.length : sizeOf(scales) !== shape[at]) return null;
  if (blocked && scales.some((n, i) => n !== (i === at ? Math.ceil(shape[i] / block) : shape[i])))
    return null;
  return separableSources(
    shape.map((size, i) =>
      Int32Array.from({ length: size }, (_, k) => {
        if (!blocked) return i === at ? k : 0;
        return (i === at ? Math.floor(k / block) : k) * strides[i];
      }),
    ),
  );
}

/** The scale of every entry. */
export function scaleOf({ scale, places }: Coefficients, i: number): number {
  return scale[places === undefined ? 0 : places[i]];
}

function zeroOf({ zero, places }: Coefficients, i: number): number {
  return zero === undefined ? 0 : zero[places === undefined ? 0 : places[i]];
}

/** −zero·scale of every entry; undefined where all are 0. */
export function offsets(coefficients: Coefficients, size: number): Float64Array | undefined {
  if (coefficients.zero?.every((z) => z === 0) ?? true) return undefined;
  return Float64Array.from({ length: size }, (_, i) => -zeroOf(coefficients, i) * scaleOf(coefficients, i));
}

/** (q − zero)·scale. */
export function dequantized(q: Float64Array, coefficients: Coefficients): Float64Array {
  return q.map((v, i) => (v - zeroOf(coefficients, i)) * scaleOf(coefficients, i));
}

/** A box of the same. */
export function dequantizedBox({ lo, hi }: Box, coefficients: Coefficients): Box {
  const box = { lo: new Float64Array(lo.length), hi: new Float64Array(lo.length) };
  for (let i = 0; i < lo.length; i++) {
    const z = zeroOf(coefficients, i);
    const s = scaleOf(coefficients, i);
    [box.lo[i], box.hi[i]] = product(sum([lo[i], hi[i]], [-z, -z]), [s, s]);
  }
  return box;
}

/** x/scale + zero rounded to whole numbers of a range. */
export interface Quantizer {
  readonly coefficients: Coefficients;
  readonly range: readonly [number, number];
}

/** The rounding of a tensor of this shape to a type, or what does not fit. */
export function quantizerOf(
  { shape, dtype }: Pick<BoundInput, "shape" | "dtype">,
  scale: BoundInput | undefined,
  zero: BoundInput | undefined,
  spread: Spread,
): Quantizer | string {
  const coefficients = coefficientsOf(shape, scale, zero, spread);
  const range = integerRange(dtype);
  if (typeof coefficients === "string") return coefficients;
  if (range === undefined) return `it rounds to ${dtype}`;
  if (!coefficients.scale.every((s) => s > 0)) return "its scales are not all positive";
  return { coefficients, range };
}

function code({ coefficients, range }: Quantizer, quotient: number, i: number): number {
  const q = roundHalfEven(quotient) + zeroOf(coefficients, i);
  return Math.min(Math.max(q, range[0]), range[1]);
}

export function quantized(x: Float64Array, quantizer: Quantizer): Float64Array {
  return x.map((v, i) => code(quantizer, v / scaleOf(quantizer.coefficients, i), i));
}

/** Rounding never decreases: the codes of both ends. */
export function quantizedBox({ lo, hi }: Box, quantizer: Quantizer): Box {
  const at = (x: number, i: number, round: (x: number) => number) =>
    code(quantizer, round(x / scaleOf(quantizer.coefficients, i)), i);
  return { lo: lo.map((l, i) => at(l, i, roundDown)), hi: hi.map((h, i) => at(h, i, roundUp)) };
}
