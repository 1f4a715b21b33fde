import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, it } from "vitest";
import { workerThreads } from "./threads.ts";

const log: number[] = [];
const tasks = {
  note(n: number): number {
    log.push(n);
    return 2 * n;
  },
  sum(values: Float64Array): number {
    return values.reduce((a, b) => a + b, 0);
  },
  refuse(): never {
    throw new Error("refused");
  },
};

it.each([
  ["whose file does not exist", new URL("./no-such-worker.js", import.meta.url)],
  ["whose scheme is refused", new URL("https://example.invalid/worker.js")],
])("runs the calls of a worker %s on the calling thread, in order", async (_, url) => {
  log.length = 0;
  const threads = workerThreads<typeof tasks>({ url }, 2, tasks);
  const values = Float64Array.of(1, 2, 3);
  const calls = threads.map((thread) => [
    thread.call("note", [1]),
    thread.call("note", [2]),
    thread.call("sum", [values.slice()]),
    thread.call("sum", [values], [values.buffer]),
  ]);
  expect(await Promise.all(calls.flat())).toEqual([2, 4, 6, 6, 2, 4, 6, 6]);
  await expect(threads[0]!.call("refuse", [])).rejects.toThrow("refused");
  expect(await threads[0]!.call("note", [3])).toBe(6);
  expect(log).toEqual([1, 2, 1, 2, 3]);
});

it("a worker that ends after it has started fails its calls", async () => {
  const path = join(tmpdir(), `lipschitz-ending-worker-${process.pid}.mjs`);
  await writeFile(
    path,
    `import { parentPort } from "node:worker_threads";
     parentPort.on("message", () => process.exit(1));
     parentPort.postMessage("ready");`,
  );
  const [thread] = workerThreads<typeof tasks>({ url: pathToFileURL(path) }, 1, tasks);
  await expect(thread!.call("note", [1])).rejects.toThrow("ended unexpectedly");
  await expect(thread!.call("note", [1])).rejects.toThrow("ended unexpectedly");
  await rm(path);
});
