import { isFloatType } from "../formats/dtype.ts";
import type { TensorEntry } from "../formats/model.ts";
import { type PackedElements, readElements } from "./dequantized-elements.ts";
import { type ElementIndex, indexAt, indexRange, runLength } from "./dequantized-index.ts";
import { type DerivedTensor, derivedTensor, storedTensor } from "./derived.ts";

/** Scales or zero points, and which of them each element of the weight has. */
export interface Coefficients {
  readonly elements: PackedElements;
  readonly index: ElementIndex;
}

/** A quantised weight and what turns its stored numbers q into (q − zero)·scale. */
export interface Quantisation {
  readonly codes: PackedElements;
  /** Row-major dimensions of the weight; its elements are the stored ones in their order. */
  readonly shape: readonly number[];
  /** Where rows are padded: stored elements from one row to the next; the last axis when absent. */
  readonly pitch?: number;
  readonly scale: Coefficients;
  /** A number where all elements have the same and the file need not say it. */
  readonly zero: Coefficients | number;
}

/**
 * The weight of a quantised model. With an integer zero point every element is exact: q − zero has at most 17 bits and a
 * scale of float32 or a narrower type at most 24, so the product fits the 53 bits of a float64. (`isExact` names the
 * exceptions.)
 */
export interface DequantizedTensor extends DerivedTensor {
  /** Type of its elements, unpacked: "int8", "uint4", … */
  readonly storedType: string;
}

export function isDequantized(entry: TensorEntry): entry is DequantizedTensor {
  return "storedType" in entry;
}

/** The element type in the file behind a weight. */
export function storedType(entry: TensorEntry): string {
  return isDequantized(entry) ? entry.storedType : storedTensor(entry).dtype;
}

/**
 * True when no product is rounded. int32 weights have up to 33 bits before the scale, which float32 scales take beyond
 * 53. Floating-point zero points may lie at any exponent; only float16 keeps q − zero within 33 bits, and its scales
 * have 11.
 */
export function isExact({ codes, scale, zero }: Quantisation): boolean {
  const wide = scale.elements.type === "float32";
  if (codes.type === "int32") return !wide;
  if (typeof zero === "number" || !isFloatType(zero.elements.type)) return true;
  return zero.elements.type === "float16" && !wide;
}

/** Values of some coefficients for a stretch of elements. */
interface Loaded {
  readonly values: Float64Array;
  readonly index: ElementIndex;
  /** The index of the first value. */
  readonly first: number;
}

async function load(given: Coefficients | number, start: number, end: number): Promise<Loaded> {
  if (typeof given === "number") return { values: Float64Array.of(given), index: [], first: 0 };
  const [first, last] = indexRange(given.index, start, end);
  return { values: await readElements(given.elements, first, last), index: given.index, first };
}

/** Fills `out` with the coefficients of the elements from `start` on. */
function spread({ values, index, first }: Loaded, start: number, out: Float64Array): void {
  const inner = index.find((digit) => digit.stride === 1);
  // Along the innermost axis only its own digit changes; it starts again after `size` elements.
  const restart = inner === undefined ? [] : [{ stride: inner.size, size: 1, block: 1, step: 0 }];
  const run = runLength([...index.filter((digit) => digit !== inner), ...restart]);
  const end = start + out.length;
  for (let i = start; i < end; ) {
    const next = run === 0 ? end : Math.min(end, (Math.floor(i / run) + 1) * run);
    let at = indexAt(index, i) - first;
    if (inner === undefined) out.fill(values[at], i - start, next - start);
    else {
      let left = inner.block - ((i % inner.size) % inner.block);
      for (let k = i - start; k < next - start; k++) {
        out[k] = values[at];
        if (--left > 0) continue;
        at += inner.step;
        left = inner.block;
      }
    }
    i = next;
  }
}

/** The stored numbers of elements [start, end), padding between rows left out. */
async function readCodes(
  { codes, shape, pitch }: Quantisation,
  start: number,
  end: number,
): Promise<Float64Array> {
  const cols = shape.at(-1) ?? 1;
  if (pitch === undefined || pitch === cols) return readElements(codes, start, end);
  const place = (i: number) => Math.floor(i / cols) * pitch + (i % cols);
  const first = place(start);
  const padded = await readElements(codes, first, place(end - 1) + 1);
  const values = new Float64Array(end - start);
  for (let i = start; i < end; ) {
    const next = Math.min(end, (Math.floor(i / cols) + 1) * cols);
    values.set(padded.subarray(place(i) - first, place(i) - first + next - i), i - start);
    i = next;
  }
  return values;
}

/** Elements whose scales are spread out at a time. */
const STRETCH = 1 << 13;

/** Elements [start, end) of the weight, in the memory of the stored numbers' values. */
async function dequantize(quantisation: Quantisation, start: number, end: number): Promise<Float64Array> {
  if (start >= end) return new Float64Array(0);
  const values = await readCodes(quantisation, start, end);
  const scale = await load(quantisation.scale, start, end);
  const zero = await load(quantisation.zero, start, end);
  const s = new Float64Array(STRETCH);
  const z = new Float64Array(STRETCH);
  for (let from = 0; from < values.length; from += STRETCH) {
    const count = Math.min(STRETCH, values.length - from);
    spread(scale, start + from, s.subarray(0, count));
    spread(zero, start + from, z.subarray(0, count));
    for (let i = 0; i < count; i++) values[from + i] = (values[from + i] - z[i]) * s[i];
  }
  return values;
}

/** The weight of these stored numbers. Reading takes the memory of the bytes asked for and of their scales. */
export function dequantizedTensor(quantisation: Quantisation): DequantizedTensor {
  const { codes, shape, pitch, scale, zero } = quantisation;
  const both = typeof zero === "number" ? [scale] : [scale, zero];
  const recipe = JSON.stringify([
    codes.type,
    shape,
    pitch ?? null,
    both.map((c) => [c.elements.type, c.index]),
    typeof zero === "number" ? zero : null,
  ]);
  const others = both.map((c) => c.elements.tensor);
  const derived = derivedTensor({ stored: codes.tensor, others, recipe, shape }, (first, last) =>
    dequantize(quantisation, first, last),
  );
  return { ...derived, storedType: codes.type };
}
