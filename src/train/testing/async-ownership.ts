import { tree } from "@jax-js/jax";
import { expect } from "vitest";
import type { Tensor, Tree, Variables } from "../types.ts";
import { liveBuffers } from "./ownership.ts";

/**
 * Runs `compute`, which is lent the variables and gives no arrays. Afterwards every lent array must have the references it had,
 * and no buffer may be left over.
 */
export async function expectOnlyLent<T>({ params, state }: Variables, compute: () => Promise<T>): Promise<T> {
  const arrays = tree.leaves([params, state] as unknown as Tree as never) as unknown as Tensor[];
  // Pending operations hold their operands; what is computed already holds nothing.
  for (const array of arrays) await array.blockUntilReady();
  const before = arrays.map((array) => array.refCount);
  const alive = liveBuffers();
  const result = await compute();
  expect(arrays.map((array) => array.refCount)).toEqual(before);
  expect(liveBuffers()).toBe(alive);
  return result;
}
