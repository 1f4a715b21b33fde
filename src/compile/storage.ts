import type { HostData } from "./element-types.ts";
import type { HostBuffer } from "./host-buffer.ts";

/**
 * Where the elements of an array are. Counted by its holders, which are the array itself and every call that uses it:
 * the last one to release it frees it.
 */
export interface ArrayStorage {
  /** Adds a holder. */
  retain(): void;
  /** Takes one holder off. */
  release(): void;
  /** The elements in this process's memory. The caller becomes a holder of what it gets and stays one of this. */
  host(): HostBuffer | Promise<HostBuffer>;
  /** The elements, which nothing else will ever write to. Takes the caller off the holders. */
  take(): HostData | Promise<HostData>;
}
