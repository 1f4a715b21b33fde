import { defaultDevice, init } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import { liveArrays } from "../src/compile.ts";
import { limitThreads } from "../src/platform/cores.ts";
import { FIRST_SEED } from "../src/study/adversarial/seeds.ts";
import type { Json, Task } from "../src/study/study.ts";
import { gan } from "./gan.ts";

const context = { progress: () => {} };

/** The task of a cell with a part of its setting replaced. */
function taskOf(experiment: string, arm: string, replaced: Record<string, Json>): Task {
  const cell = gan.plan("quick").cells.find((each) => each.experiment === experiment && each.arm === arm)!;
  return {
    study: "gan",
    kind: "run",
    experiment,
    arm,
    variant: cell.variant ?? "",
    setting: { ...cell.setting, ...replaced },
    learningRate: cell.tuning === undefined ? null : 5e-3,
    seed: FIRST_SEED,
  };
}

describe("runs", () => {
  beforeAll(async () => {
    limitThreads(1);
    await init("wasm");
    defaultDevice("wasm");
  });

  it.each(["gp", "sn2", "bjorck", "penalty"])(
    "of %s on the grid are the same for the same seed",
    async (arm) => {
      const task = taskOf("grid", arm, { rounds: 10, criticSteps: 2, looks: 1 });
      const before = liveArrays();
      const first = await gan.run(task, context);
      expect(await gan.run(task, context)).toEqual(first);
      expect(liveArrays()).toBe(before);
      const { modes, hq, reverseKl, w1, lower, upper } = first.metrics as Record<string, number>;
      for (const value of [modes, hq, reverseKl, w1, lower, upper]) expect(Number.isFinite(value)).toBe(true);
      expect(lower).toBeLessThanOrEqual(upper);
      if (arm === "bjorck") expect(upper).toBeLessThan(1.001);
      if (arm === "sn2") expect(upper).toBeLessThan(8 * 1.02);
      expect(JSON.stringify(first.detail).length).toBeLessThan(100_000);
    },
  );

  it("on the Swiss roll have a distance and no modes", async () => {
    const task = taskOf("roll", "sn2", { rounds: 10, looks: 1 });
    const { metrics } = await gan.run(task, context);
    expect((await gan.run({ ...task, seed: FIRST_SEED + 1 }, context)).metrics).not.toEqual(metrics);
    expect(metrics.modes).toBeNull();
    expect(metrics.w1).toBeGreaterThan(0);
  });

  it("count what diverges instead of failing", async () => {
    const { metrics } = await gan.run(taskOf("ring", "none", { rounds: 10, looks: 1, rate: 1e30 }), context);
    expect(metrics).toMatchObject({ modes: 0, hq: 0, w1: null, diverged: 1 });
  });

  it("of critics alone find much of a known distance, and not more than it", async () => {
    const task = taskOf("distance", "bjorck", { steps: 150 });
    const { metrics } = await gan.run(task, context);
    expect((await gan.run(task, context)).metrics).toEqual(metrics);
    expect(metrics.certified).toBeGreaterThan(0.85);
    expect(metrics.certified).toBeLessThan(1.01);
  });
});
