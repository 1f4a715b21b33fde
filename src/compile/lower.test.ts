import { describe, expect, it } from "vitest";
import { evaluated, expectClose, lowered, type Sample, Seeded } from "./testing/reference.ts";
import { criticStep, elmanStep, mlpStep, type TrainingStep } from "./testing/steps.ts";

const STEPS = 4;

async function trained({ step, samples, kept }: TrainingStep, run: typeof evaluated): Promise<Sample[][]> {
  const all: Sample[][] = [];
  let state = samples.slice(0, kept);
  for (let i = 0; i < STEPS; i++) {
    const results = await run(step, [...state, ...samples.slice(kept)]);
    all.push(results);
    state = results.slice(0, kept);
  }
  return all;
}

describe("training steps equal jax-js's", () => {
  it.each([
    ["MLP with a spectral norm, Adam", mlpStep],
    ["convolutional critic with a gradient penalty, Adam", criticStep],
    ["unrolled Elman network, Adam", elmanStep],
  ])("%s", async (_, make) => {
    const training = make(new Seeded(11));
    const expected = await trained(training, evaluated);
    const got = await trained(training, lowered);
    for (const [i, results] of got.entries()) {
      for (const [j, { data }] of results.entries()) expectClose(data, expected[i][j].data);
    }
    const losses = got.map((results) => results[results.length - 1].data[0]);
    expect(new Set(losses).size).toBe(STEPS);
  });
});
