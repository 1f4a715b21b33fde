import { describe, expect, it } from "vitest";
import { liveArrays } from "../../compile/native-array.ts";
import { createTrainer } from "../trainer/trainer.ts";
import { liveBuffers } from "./ownership.ts";
import { toyData, toyOptions } from "./toy-run.ts";

const STEPS = 1000;

/** What is alive once everything has been used a few times, and at the end. */
async function aliveDuring(step: (k: number) => Promise<unknown> | unknown): Promise<number[][]> {
  const alive: number[][] = [];
  for (let k = 0; k < STEPS; k++) {
    await step(k);
    if (k === 9 || k === STEPS - 1) alive.push([liveBuffers(), liveArrays()]);
  }
  return alive;
}

describe("as many arrays are alive after 1,000 steps as after 10", () => {
  it.each(["jax", "native"] as const)("of a trainer on %s", async (device) => {
    const trainer = createTrainer(toyOptions({ device, monitor: { every: 100 }, clipNorm: 1 }));
    const batches = toyData().batches({ size: 16, seed: 5 });
    const [early, late] = await aliveDuring((k) => trainer.step(batches.at(k)));
    expect(late).toEqual(early);
    await trainer.dispose();
  });
});
