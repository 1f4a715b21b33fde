import type { ArrayType } from "./array-type.ts";
import { hostData } from "./element-types.ts";
import { type BufferHome, HostBuffer } from "./host-buffer.ts";

/**
 * Memory for results, used again once nobody holds it, so that a training loop allocates nothing after its first steps.
 * What lies unused never exceeds the most that was in use at once.
 */
export class BufferPool implements BufferHome {
  /** Unused buffers by layout; the layout returned to last comes last. */
  readonly #unused = new Map<string, HostBuffer[]>();
  #unusedBytes = 0;
  #usedBytes = 0;
  #mostUsedBytes = 0;
  #users = 0;

  /** Bytes of the buffers that wait to be used again. */
  get unusedBytes(): number {
    return this.#unusedBytes;
  }

  /** A buffer of that type with one holder; what is in it is left over from its last use. */
  take(type: ArrayType): HostBuffer {
    const buffer = this.#reuse(type) ?? new HostBuffer(type, hostData(type.dtype, type.size), this);
    this.#usedBytes += buffer.data.byteLength;
    this.#mostUsedBytes = Math.max(this.#mostUsedBytes, this.#usedBytes);
    return buffer;
  }

  put(buffer: HostBuffer): void {
    this.forget(buffer);
    const { layout } = buffer.type;
    const buffers = this.#unused.get(layout) ?? [];
    buffers.push(buffer);
    this.#unused.delete(layout);
    this.#unused.set(layout, buffers);
    this.#unusedBytes += buffer.data.byteLength;
    this.#trim(this.#mostUsedBytes);
  }

  forget(buffer: HostBuffer): void {
    this.#usedBytes -= buffer.data.byteLength;
  }

  /** One more user, who will detach. */
  attach(): void {
    this.#users++;
  }

  /** One user less; after the last one, unused buffers are left to the garbage collector. */
  detach(): void {
    if (--this.#users > 0) return;
    this.#unused.clear();
    this.#unusedBytes = 0;
    this.#mostUsedBytes = this.#usedBytes;
  }

  #reuse(type: ArrayType): HostBuffer | undefined {
    const buffer = this.#unused.get(type.layout)?.pop();
    if (buffer === undefined) return undefined;
    this.#unusedBytes -= buffer.data.byteLength;
    buffer.retain();
    return buffer;
  }

  /** Drops buffers of the layouts unused for longest. */
  #trim(bytes: number): void {
    for (const [layout, buffers] of this.#unused) {
      while (this.#unusedBytes > bytes && buffers.length > 0) {
        this.#unusedBytes -= buffers.pop()!.data.byteLength;
      }
      if (buffers.length === 0) this.#unused.delete(layout);
      if (this.#unusedBytes <= bytes) return;
    }
  }
}

/** Shared by every compiled function that computes in this process's memory. */
export const hostBuffers = new BufferPool();
