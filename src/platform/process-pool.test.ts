import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { type ProcessPool, processPool, WorkerError } from "./process-pool.ts";

const folder = await mkdtemp(join(tmpdir(), "lipschitz-pool-"));
const pools: ProcessPool[] = [];
afterAll(() => {
  for (const pool of pools) pool.close();
  return rm(folder, { recursive: true });
});

const file = join(folder, "worker.mjs");
await writeFile(
  file,
  `process.on("disconnect", () => process.exit());
process.on("message", ({ job }) => {
  if (job === "pid") process.send({ kind: "result", value: process.pid });
  else if (job === "halfway") {
    process.send({ kind: "progress", done: 1, total: 2 });
    process.send({ kind: "result", value: "there" });
  } else if (job === "fail") process.send({ kind: "error", message: "It does not work." });
  else if (job === "die") { process.stderr.write("out of luck\\n"); setTimeout(() => process.exit(3), 50); }
});
`,
);

function pool(signal?: AbortSignal): ProcessPool {
  pools.push(processPool(pathToFileURL(file), signal));
  return pools.at(-1)!;
}

const quiet = () => {};

describe("processPool", () => {
  it("passes on progress and result", async () => {
    const seen: number[][] = [];
    expect(await pool().run("halfway", (...share) => seen.push(share))).toBe("there");
    expect(seen).toEqual([[1, 2]]);
  });

  it("runs jobs side by side, keeps processes between jobs, and ends each in time", async () => {
    const own = pool();
    const [a, b] = await Promise.all([own.run("pid", quiet), own.run("pid", quiet)]);
    expect(a).not.toBe(b);
    expect([a, b]).toContain(await own.run("pid", quiet));
    const used = new Set<unknown>();
    for (let i = 0; i < 60; i++) used.add(await own.run("pid", quiet));
    expect(used.size).toBeGreaterThanOrEqual(3);
    expect(used.size).toBeLessThanOrEqual(4);
  });

  it("says what went wrong, in the job or with its process, and goes on", async () => {
    const own = pool();
    await expect(own.run("fail", quiet)).rejects.toThrow("It does not work.");
    const died = own.run("die", quiet);
    await expect(died).rejects.toThrow(WorkerError);
    await expect(died).rejects.toThrow(/ended with code 3 before it was done\. It said: out of luck/);
    expect(await own.run("halfway", quiet)).toBe("there");
  });

  it("ends what is running when it is aborted, with the signal's reason", async () => {
    const controller = new AbortController();
    const own = pool(controller.signal);
    const waiting = own.run("nothing", quiet);
    setTimeout(() => controller.abort(), 200);
    await expect(waiting).rejects.toMatchObject({ name: "AbortError" });
    await expect(own.run("pid", quiet)).rejects.toMatchObject({ name: "AbortError" });
  });
});
