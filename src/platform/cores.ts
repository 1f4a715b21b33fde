import { builtin, hasBuiltins } from "./builtin.ts";

/** More threads than this wait for the memory they share. */
const MOST_USEFUL = 8;

let limit = MOST_USEFUL;

/** Threads to use when nobody says: the machine's, as far as they help. */
export function defaultThreads(): number {
  return Math.min(availableThreads(), limit);
}

/** Lowers what `defaultThreads` says in this process, where several processes share the machine. */
export function limitThreads(most: number): void {
  limit = Math.min(MOST_USEFUL, most);
}

/** How many threads can run at once here; at least 1. */
export function availableThreads(): number {
  const count = hasBuiltins()
    ? builtin("node:os").availableParallelism()
    : globalThis.navigator?.hardwareConcurrency;
  return Math.max(1, count ?? 1);
}
