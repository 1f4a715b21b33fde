import type { TensorEntry } from "../formats/model.ts";
import type { ByteSource } from "../formats/source.ts";
import { isDerived, sourceTensors } from "../network/derived.ts";

/** Tells which tensors of a model are names for the same stored numbers (tied weights). */
export class StorageKeys {
  readonly #sources = new Map<ByteSource, number>();
  readonly #entries = new Map<TensorEntry, number>();

  /** Equal for tensors stored in the same bytes with the same type, and computed from the same in the same way. */
  keyOf(entry: TensorEntry): string {
    if (isDerived(entry)) {
      const tensors = sourceTensors(entry).map((tensor) => this.keyOf(tensor));
      return `derived ${tensors.join(" ")} ${entry.recipe}`;
    }
    const { range } = entry;
    if (range === undefined) return `tensor ${numberOf(this.#entries, entry)}`;
    return `${numberOf(this.#sources, range.source)}:${range.start}:${range.end}:${entry.dtype}`;
  }
}

/** True when two tensors' bytes overlap without being the same bytes. */
export function overlapsPartly(a: TensorEntry, b: TensorEntry): boolean {
  if (a.range === undefined || b.range === undefined || a.range.source !== b.range.source) return false;
  const apart = a.range.end <= b.range.start || b.range.end <= a.range.start;
  return !apart && (a.range.start !== b.range.start || a.range.end !== b.range.end);
}

function numberOf<T>(seen: Map<T, number>, item: T): number {
  const known = seen.get(item) ?? seen.size;
  seen.set(item, known);
  return known;
}
