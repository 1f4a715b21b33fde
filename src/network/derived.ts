import type { TensorEntry } from "../formats/model.ts";

/**
 * A weight as its operator uses it, computed from stored tensors as it is read. Its `dtype` is "float64" and it has no
 * `range`: nothing can be patched in its place.
 */
export interface DerivedTensor extends TensorEntry {
  /** The tensor in the file that it is foremost; its name is this one's. */
  readonly stored: TensorEntry;
  /** The other tensors that its elements depend on. */
  readonly others: readonly TensorEntry[];
  /** Tells apart different readings of the same tensors. */
  readonly recipe: string;
}

export function isDerived(entry: TensorEntry): entry is DerivedTensor {
  return "stored" in entry;
}

/** The tensor in the file behind a weight. */
export function storedTensor(entry: TensorEntry): TensorEntry {
  return isDerived(entry) ? entry.stored : entry;
}

/** Every tensor in the file that a weight depends on. */
export function sourceTensors(entry: TensorEntry): readonly TensorEntry[] {
  return isDerived(entry) ? [entry.stored, ...entry.others] : [entry];
}

/** Bytes of a float64. */
const WIDTH = 8;

/** What is to be known of a derived tensor besides its elements. */
export type Derivation = Pick<DerivedTensor, "stored" | "others" | "recipe" | "shape">;

/** The tensor whose elements [first, last), in row-major order, `elements` gives: memory of the caller's own. */
export function derivedTensor(
  derivation: Derivation,
  elements: (first: number, last: number) => Promise<Float64Array>,
): DerivedTensor {
  const { name } = derivation.stored;
  const byteLength = WIDTH * derivation.shape.reduce((a, b) => a * b, 1);
  return {
    ...derivation,
    name,
    dtype: "float64",
    byteLength,
    async read(start, end) {
      if (
        !(Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end && end <= byteLength)
      ) {
        throw new RangeError(`read: bytes [${start}, ${end}) of tensor "${name}", ${byteLength} bytes`);
      }
      const first = Math.floor(start / WIDTH);
      const { buffer, byteOffset } = await elements(first, Math.ceil(end / WIDTH));
      return new Uint8Array(buffer, byteOffset + start - first * WIDTH, end - start);
    },
  };
}
