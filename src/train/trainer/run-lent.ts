import { tree } from "@jax-js/jax";
import { leavesOf } from "../optimizers/leaves.ts";
import type { Tree } from "../types.ts";

/**
 * Calls a compiled function, which consumes its arguments, with one more reference to each array of `lent`, so that the
 * arrays are there afterwards, whether it succeeds or fails. `given` is given up either way.
 */
export async function runLent<T>(
  lent: Tree,
  given: Tree,
  call: (lent: Tree, given: Tree) => Promise<T>,
): Promise<T> {
  const kept = leavesOf(lent).map((leaf) => ({ leaf, references: leaf.refCount }));
  const spent = leavesOf(given).map((leaf) => ({ leaf, references: leaf.refCount - 1 }));
  tree.ref(lent as never);
  try {
    return await call(lent, given);
  } catch (error) {
    // A call that was refused has consumed nothing, one that failed while it ran has consumed everything.
    for (const { leaf, references } of [...kept, ...spent]) while (leaf.refCount > references) leaf.dispose();
    throw error;
  }
}
