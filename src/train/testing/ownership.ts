import { numpy as np, tree } from "@jax-js/jax";
import { expect } from "vitest";
import type { Tensor, Tree } from "../types.ts";

/** What jax-js's wasm backend keeps of one buffer. */
interface Buffer {
  readonly ptr: number;
  readonly size: number;
  readonly ref: number;
}

let buffers: ReadonlyMap<number, Buffer> | undefined;

/**
 * How many buffers of jax-js's wasm device are alive. jax-js does not count them itself, so its table is caught while it takes
 * in the buffer of one more array.
 */
export function liveBuffers(): number {
  buffers ??= catchBuffers();
  return buffers.size;
}

function catchBuffers(): ReadonlyMap<number, Buffer> {
  const set = Map.prototype.set;
  let caught: Map<number, Buffer> | undefined;
  Map.prototype.set = function (key, value) {
    const names = typeof value === "object" && value !== null ? Object.keys(value) : [];
    if (String(names) === "ptr,size,ref") caught = this;
    return set.call(this, key, value);
  };
  try {
    // Not all equal, or jax-js would keep a constant instead of a buffer.
    np.array(Float32Array.of(1, 2, 3, 4)).dispose();
  } finally {
    Map.prototype.set = set;
  }
  if (!caught) throw new Error("jax-js no longer keeps its wasm buffers in a Map of { ptr, size, ref }");
  return caught;
}

/**
 * Runs `compute`, which is lent `lent` and gives arrays that the caller owns; disposes those. Afterwards every lent array must
 * have the references it had, and no buffer may be left over.
 */
export function expectNothingKept(lent: Tree, compute: () => Tree): void {
  const arrays = tree.leaves(lent as never) as unknown as Tensor[];
  const before = arrays.map((array) => array.refCount);
  const alive = liveBuffers();
  tree.dispose(compute() as never);
  expect(arrays.map((array) => array.refCount)).toEqual(before);
  expect(liveBuffers()).toBe(alive);
}
