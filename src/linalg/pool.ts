import { availableThreads } from "../platform/cores.ts";
import { localThread, type Thread, workerThreads } from "../platform/threads.ts";
import { type Tasks, tasks } from "./tasks.ts";

/** The built worker beside this module, also when the sources run unbuilt. */
function workerUrl(): URL {
  const built = import.meta.url.endsWith(".ts") ? "../../dist/worker.js" : "./worker.js";
  return new URL(built, import.meta.url);
}

const local: readonly Thread<Tasks>[] = [localThread<Tasks>(tasks)];

/** Threads to share one computation: the calling one alone when `count` is 1. */
export function threads(count: number): readonly Thread<Tasks>[] {
  return count <= 1 ? local : workerThreads<Tasks>(workerUrl(), count);
}

/**
 * As `threads`, the calling one among them: for many short tasks, where a message costs as much as a task. It comes
 * last, because its calls run at once and the others' must be under way by then.
 */
export function threadsWithSelf(count: number): readonly Thread<Tasks>[] {
  return count <= 1 ? local : [...workerThreads<Tasks>(workerUrl(), count - 1), ...local];
}

let nextId = 0;

/** An id no other held object of this process uses. */
export function newId(): number {
  return nextId++;
}

/** Threads to use when nobody says: the machine's cores, at most 8 (memory bandwidth is shared). */
export function defaultThreads(): number {
  return Math.min(availableThreads(), 8);
}
