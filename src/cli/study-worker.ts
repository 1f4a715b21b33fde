import { defaultDevice, init } from "@jax-js/jax";
import { studyNamed } from "../../studies/index.ts";
import { limitThreads } from "../platform/cores.ts";
import { serveJobs } from "../platform/process-worker.ts";
import type { Task } from "../study/study.ts";

// Runs go side by side in processes of one thread each: every core is busy, and no run's result depends on how many there are.
limitThreads(1);
await init("wasm");
defaultDevice("wasm");

serveJobs(async (job, progress) => {
  const task = job as Task;
  const entry = studyNamed(task.study);
  if (entry === undefined) throw new Error(`there is no study "${task.study}"`);
  const study = await entry.load();
  return study.run(task, { progress });
});
