import type { Array as JaxArray } from "@jax-js/jax";
import type { HostData } from "./element-types.ts";
import type { HostBuffer } from "./host-buffer.ts";
import { hostBufferOf } from "./jax-arrays.ts";
import { mustBeAwaited } from "./jax-internals.ts";
import type { ArrayStorage } from "./storage.ts";

/** The elements of a jax-js array, whose own references count the holders. */
export class JaxBuffer implements ArrayStorage {
  readonly #array: JaxArray;

  /** Takes over the caller's reference. */
  constructor(array: JaxArray) {
    this.#array = array;
  }

  retain(): void {
    void this.#array.ref;
  }

  release(): void {
    this.#array.dispose();
  }

  host(): HostBuffer | Promise<HostBuffer> {
    return hostBufferOf(this.#array.ref);
  }

  async take(): Promise<HostData> {
    return (await hostBufferOf(this.#array)).data;
  }

  /** The array itself; takes the caller off the holders and hands it their reference. */
  array(): JaxArray {
    return this.#array;
  }
}

/** Consumes a jax-js array; its elements, read at once unless they must be awaited. */
export function storageOf(array: JaxArray): ArrayStorage {
  return mustBeAwaited(array) ? new JaxBuffer(array) : (hostBufferOf(array) as HostBuffer);
}
