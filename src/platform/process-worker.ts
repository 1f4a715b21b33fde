import type { WorkerMessage } from "./process-pool.ts";

/** As often as a progress line changes. */
const PROGRESS_MS = 100;

/**
 * Makes this process one of a pool: each message's job is done, and its result or its error's message sent back. Ends when the
 * process that started it is gone.
 */
export function serveJobs(
  work: (job: unknown, progress: (done: number, total: number) => void) => Promise<unknown>,
): void {
  const send = (message: WorkerMessage) => void process.send?.(message);
  process.on("disconnect", () => process.exit());
  // A Ctrl-C reaches the whole group; the parent decides when to stop.
  process.on("SIGINT", () => {});
  process.on("message", async ({ job }: { job: unknown }) => {
    let last = 0;
    const progress = (done: number, total: number) => {
      const now = performance.now();
      if (now - last < PROGRESS_MS) return;
      last = now;
      send({ kind: "progress", done, total });
    };
    try {
      send({ kind: "result", value: await work(job, progress) });
    } catch (error) {
      send({ kind: "error", message: error instanceof Error ? error.message : String(error) });
    }
  });
}
