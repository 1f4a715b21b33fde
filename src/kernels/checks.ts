import { STORAGE_BYTES } from "./storage.ts";
import type { StorageType } from "./types.ts";

/** @throws RangeError unless `array` has `length` entries: kernels index without looking. */
export function expectLength(what: string, array: ArrayLike<number>, length: number): void {
  if (array.length !== length) {
    throw new RangeError(`${what} must have length ${length}, got ${array.length}`);
  }
}

/** @throws RangeError unless `value` is a whole number ≥ `least`. */
export function expectSize(what: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`${what} must be a whole number ≥ ${least}, got ${value}`);
  }
}

/**
 * The number of whole elements in `bytes`.
 * @throws RangeError unless they fit into a block of `size` elements from `offset` on.
 */
export function expectElements(type: StorageType, bytes: Uint8Array, offset: number, size: number): number {
  const count = bytes.length / STORAGE_BYTES[type];
  expectSize("bytes loaded, in elements,", count, 0);
  expectSize("element offset", offset, 0);
  if (offset + count > size) {
    throw new RangeError(`elements ${offset} to ${offset + count} lie outside a block of ${size}`);
  }
  return count;
}
