import { setTimeout as sleep } from "node:timers/promises";
import { THREADS } from "./peer.mjs";
import { startJax, startOurs } from "./train-sides.mjs";

const MB = 1e6;
const SAMPLES = 10;

/**
 * Seconds from a function of jax-js to its first step done, in fresh processes whose modules are loaded: tracing,
 * lowering, and the session's start on our side, tracing and compiling kernels on jax-js's.
 */
export async function secondsToFirstStep(spec, repeats) {
  const seconds = { ours: [], jax: [] };
  for (let repeat = 0; repeat < repeats; repeat++) {
    seconds.jax.push(await firstStep(startJax, spec));
    seconds.ours.push(await firstStep(startOurs, spec));
  }
  return seconds;
}

async function firstStep(start, { model, batch, time }) {
  const side = await start();
  try {
    await side.ask("prepare", { key: "first", model, batch, time, control: "none", threads: THREADS });
    return (await side.ask("steps", { key: "first", count: 1 })).seconds;
  } finally {
    side.stop();
    await sleep(300);
  }
}

/** Resident memory in MB after warming up and then after each tenth of the steps, in a process of its own. */
export async function growthOf({ model, batch }, steps) {
  const side = await startOurs();
  try {
    await side.ask("prepare", { key: "long", model, batch, control: "operator", threads: THREADS });
    const resident = [];
    for (let sample = 0; sample <= SAMPLES; sample++) {
      await side.ask("steps", { key: "long", count: steps / SAMPLES });
      resident.push((await side.ask("memory")).bytes / MB);
    }
    return resident;
  } finally {
    side.stop();
  }
}
