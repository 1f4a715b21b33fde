import { builtin, hasBuiltins } from "./builtin.ts";

/** How many threads can run at once here; at least 1. */
export function availableThreads(): number {
  const count = hasBuiltins()
    ? builtin("node:os").availableParallelism()
    : globalThis.navigator?.hardwareConcurrency;
  return Math.max(1, count ?? 1);
}
