import { builtWorker } from "../platform/built-worker.ts";
import { availableThreads } from "../platform/cores.ts";
import { localThread, type Thread, workerThreads } from "../platform/threads.ts";
import { type Tasks, tasks } from "./tasks.ts";

const local: readonly Thread<Tasks>[] = [localThread<Tasks>(tasks)];

/** Threads to share one computation: the calling one alone when `count` is 1. */
export function threads(count: number): readonly Thread<Tasks>[] {
  return count <= 1 ? local : workerThreads<Tasks>(builtWorker, count, tasks);
}

/**
 * As `threads`, the calling one among them: for many short tasks, where a message costs as much as a task. It comes
 * last, because its calls run at once and the others' must be under way by then.
 */
export function threadsWithSelf(count: number): readonly Thread<Tasks>[] {
  return count <= 1 ? local : [...workerThreads<Tasks>(builtWorker, count - 1, tasks), ...local];
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
