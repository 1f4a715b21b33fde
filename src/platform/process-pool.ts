import type { ChildProcess } from "node:child_process";
import { builtin } from "./builtin.ts";

/** What a worker process sends: progress, then a result or an error. */
export type WorkerMessage =
  | { readonly kind: "progress"; readonly done: number; readonly total: number }
  | { readonly kind: "result"; readonly value: unknown }
  | { readonly kind: "error"; readonly message: string };

/** A job that a worker process could not finish. */
export class WorkerError extends Error {
  override readonly name = "WorkerError";
}

/** Processes that each do one job at a time, kept between jobs. */
export interface ProcessPool {
  /**
   * @param job anything that JSON holds.
   * @throws WorkerError when the job fails or its process ends; the signal's reason once aborted.
   */
  run(job: unknown, onProgress: (done: number, total: number) => void): Promise<unknown>;
  /** Ends the processes, whatever they are doing. */
  close(): void;
}

/** A process ends after so many jobs: what runtimes hold on to between them does not add up. */
const JOBS_OF_A_PROCESS = 25;

/**
 * Processes that run a module of this package, started as they are needed. As many jobs run at once as are asked for: the
 * caller decides how many.
 * @param module answers each message with `WorkerMessage`s.
 */
export function processPool(module: URL, signal: AbortSignal | undefined): ProcessPool {
  const idle: ChildProcess[] = [];
  /** How many jobs each process has done. */
  const all = new Map<ChildProcess, number>();
  const close = () => {
    for (const child of all.keys()) child.kill("SIGKILL");
  };
  signal?.addEventListener("abort", close, { once: true });
  const start = (): ChildProcess => {
    const child = builtin("node:child_process").fork(builtin("node:url").fileURLToPath(module), {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      execArgv: [],
    });
    all.set(child, 0);
    child.on("exit", () => {
      all.delete(child);
      const place = idle.indexOf(child);
      if (place >= 0) idle.splice(place, 1);
    });
    return child;
  };
  return {
    async run(job, onProgress) {
      signal?.throwIfAborted();
      const child = idle.pop() ?? start();
      try {
        const value = await ask(child, job, onProgress);
        const done = (all.get(child) ?? 0) + 1;
        all.set(child, done);
        if (done < JOBS_OF_A_PROCESS) idle.push(child);
        else child.kill("SIGKILL");
        return value;
      } catch (error) {
        child.kill("SIGKILL");
        signal?.throwIfAborted();
        throw error;
      }
    },
    close() {
      signal?.removeEventListener("abort", close);
      close();
    },
  };
}

/** The last lines of what a process wrote to stderr, in case it ends. */
const TAIL_CHARACTERS = 2000;

function ask(
  child: ChildProcess,
  job: unknown,
  onProgress: (done: number, total: number) => void,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    let tail = "";
    const onStderr = (chunk: Buffer) => {
      tail = (tail + chunk.toString()).slice(-TAIL_CHARACTERS);
    };
    const settle = (finish: () => void) => {
      child.stderr?.off("data", onStderr);
      child.off("message", onMessage);
      child.off("exit", onExit);
      child.off("error", onFailure);
      finish();
    };
    const onMessage = (message: WorkerMessage) => {
      if (message.kind === "progress") onProgress(message.done, message.total);
      else if (message.kind === "result") settle(() => resolve(message.value));
      else settle(() => reject(new WorkerError(message.message)));
    };
    const onFailure = (cause: Error) => settle(() => reject(new WorkerError(cause.message)));
    const onExit = (code: number | null, by: string | null) => {
      const how = code === null ? `was ended by ${by}` : `ended with code ${code}`;
      const said = tail.trim() === "" ? "" : ` It said: ${tail.trim()}`;
      settle(() => reject(new WorkerError(`the process ${how} before it was done.${said}`)));
    };
    child.stderr?.on("data", onStderr);
    child.on("message", onMessage);
    child.on("exit", onExit);
    child.on("error", onFailure);
    child.send({ job }, (cause) => {
      if (cause !== null) onFailure(cause);
    });
  });
}
