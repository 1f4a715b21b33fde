/** One dimension: its size, or null when unknown. */
export type Dim = number | null;

/** Dimensions in order; the whole is null where even the rank is unknown. */
export type Shape = readonly Dim[];

/** What is known of a value before the network runs. */
export interface Value {
  readonly shape: Shape | null;
  /** As dtype names ("float32", "int64", "bool", …); "unknown" where it is. */
  readonly dtype: string;
  /** Row-major contents of a small tensor used in shape arithmetic; null where one element is unknown. */
  readonly contents?: readonly (number | null)[];
}

/** Shape arithmetic never needs more elements; larger constants are weights, and stay in the file. */
export const MAX_CONTENTS = 1024;

export const UNKNOWN: Value = { shape: null, dtype: "unknown" };

/** True when the rank and every dimension are known. */
export function isKnown(shape: Shape | null): shape is readonly number[] {
  return shape?.every((d) => d !== null) === true;
}

/** Number of elements, or null when unknown. */
export function elementCount(shape: Shape | null): number | null {
  return isKnown(shape) ? shape.reduce((a, b) => a * b, 1) : null;
}

/** A value of a shape and type, contents unknown. */
export function ofShape(shape: Shape | null, dtype: string): Value {
  return { shape, dtype };
}

/** A shape of `rank` unknown dimensions. */
export function unknownDims(rank: number): Shape {
  return new Array<Dim>(rank).fill(null);
}

/** A value with contents, dropped where they are useless (all unknown), too many or of the wrong count. */
export function withContents(
  shape: Shape | null,
  dtype: string,
  contents: readonly (number | null)[] | undefined,
): Value {
  const useful =
    contents !== undefined &&
    contents.length <= MAX_CONTENTS &&
    contents.length === elementCount(shape) &&
    (contents.length === 0 || contents.some((c) => c !== null));
  return useful ? { shape, dtype, contents } : { shape, dtype };
}

/** Contents element by element, null for each unknown one; undefined when even their number is unknown or large. */
export function entriesOf(value: Value | undefined): readonly (number | null)[] | undefined {
  if (value === undefined) return undefined;
  if (value.contents !== undefined) return value.contents;
  const count = elementCount(value.shape);
  return count === null || count > MAX_CONTENTS ? undefined : new Array<null>(count).fill(null);
}

/** Contents when every element is known. */
export function knownContents(value: Value | undefined): readonly number[] | undefined {
  const contents = value?.contents;
  return contents?.every((c) => c !== null) === true ? (contents as readonly number[]) : undefined;
}

/** A dimension read from contents: a size, or null for an unknown, negative or fractional entry. */
export function asDim(entry: number | null | undefined): Dim {
  return typeof entry === "number" && Number.isSafeInteger(entry) && entry >= 0 ? entry : null;
}

/** An axis counted from the front, or null when it lies outside the rank. */
export function normalizeAxis(axis: number, rank: number): number | null {
  const a = axis < 0 ? axis + rank : axis;
  return Number.isInteger(a) && a >= 0 && a < rank ? a : null;
}

/** Axes counted from the front, or null when one lies outside the rank. */
export function normalizeAxes(axes: readonly number[], rank: number): readonly number[] | null {
  const all = axes.map((a) => normalizeAxis(a, rank));
  return all.every((a) => a !== null) ? (all as number[]) : null;
}

function broadcastDims(a: Dim, b: Dim): Dim | undefined {
  if (a === 1) return b;
  if (b === 1) return a;
  // A valid model leaves an unknown partner of n > 1 only the sizes 1 and n: the result is n either way.
  if (a === null) return b;
  if (b === null || a === b) return a;
  return undefined;
}

/** The shape of an elementwise operation (NumPy broadcasting); null when unknown or contradictory. */
export function broadcastShapes(a: Shape | null, b: Shape | null): Shape | null {
  if (a === null || b === null) return null;
  const rank = Math.max(a.length, b.length);
  const out: Dim[] = [];
  for (let i = 0; i < rank; i++) {
    const da = a[i - (rank - a.length)];
    const db = b[i - (rank - b.length)];
    const d = da === undefined ? db : db === undefined ? da : broadcastDims(da, db);
    if (d === undefined) return null;
    out.push(d);
  }
  return out;
}

/** What two descriptions of one value agree on (branches of an If). */
export function agreement(a: Shape | null, b: Shape | null): Shape | null {
  if (a === null || b === null || a.length !== b.length) return null;
  return a.map((d, i) => (d === b[i] ? d : null));
}

/** `inferred`, its gaps filled from `declared` where the ranks agree. */
export function fillGaps(inferred: Shape | null, declared: Shape | null): Shape | null {
  if (inferred === null || declared === null) return inferred ?? declared;
  if (inferred.length !== declared.length) return inferred;
  return inferred.map((d, i) => d ?? declared[i]);
}

/** True when both shapes have the same rank and the same known dimensions. */
export function sameShape(a: Shape | null, b: Shape | null): boolean {
  if (a === null || b === null) return a === b;
  return a.length === b.length && a.every((d, i) => d === b[i]);
}

/** Row-major strides of a fully known shape. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step;
    step *= shape[i];
  }
  return strides;
}

/** For each row-major position of `shape`, Σ index·stride: gathers a strided or broadcast view. Small shapes only. */
export function stridedOffsets(shape: readonly number[], strides: readonly number[]): number[] {
  let offsets = [0];
  for (let axis = 0; axis < shape.length; axis++) {
    const next: number[] = [];
    for (const base of offsets) {
      for (let i = 0; i < shape[axis]; i++) next.push(base + i * strides[axis]);
    }
    offsets = next;
  }
  return offsets;
}

/** Offsets that read a tensor of `shape` as if expanded to `target` (stride 0 along expanded axes). */
export function broadcastOffsets(shape: readonly number[], target: readonly number[]): number[] {
  const strides = rowMajorStrides(shape);
  const lead = target.length - shape.length;
  return stridedOffsets(
    target,
    target.map((_, i) => (i < lead || shape[i - lead] === 1 ? 0 : strides[i - lead])),
  );
}
