import { defaultDevice, init } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import type { TrialSetting } from "../src/study/physics/trial.ts";
import { metricAt } from "../src/study/statistics.ts";
import type { Metrics, RunRecord, StudyResults, Task } from "../src/study/study.ts";
import { physics } from "./physics.ts";

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

const task = (experiment: string, arm: string, over: Partial<TrialSetting> = {}): Task => {
  const cell = physics.plan("full").cells.find((each) => each.experiment === experiment && each.arm === arm)!;
  const setting = { ...cell.setting, rows: 100, steps: 50, starts: 2, ...over };
  return {
    study: "physics",
    kind: "run",
    experiment,
    arm,
    variant: cell.variant ?? "",
    setting: setting as Task["setting"],
    learningRate: 3e-3,
    seed: 1,
  };
};

const run = (asked: Task) => physics.run(asked, { progress: () => {} });

describe("the plan", () => {
  it("has arms, experiments and tunings for every cell, and five seeds", () => {
    for (const scale of ["quick", "full"] as const) {
      const { cells, tunings, seeds } = physics.plan(scale);
      expect(seeds).toBeGreaterThanOrEqual(scale === "full" ? 5 : 1);
      for (const { experiment, arm, tuning } of [
        ...cells,
        ...tunings.map((each) => ({ ...each, tuning: each.name })),
      ]) {
        expect(physics.arms.map(({ name }) => name)).toContain(arm);
        expect(physics.experiments.map(({ name }) => name)).toContain(experiment);
        expect(tunings.map(({ name }) => name)).toContain(tuning);
      }
      expect(new Set(tunings.map(({ name }) => name)).size).toBe(tunings.length);
      const keys = cells.map(({ experiment, arm, variant }) => `${experiment} ${arm} ${variant}`);
      expect(new Set(keys).size).toBe(cells.length);
    }
  });

  it("sweeps as many rates for every arm", () => {
    const counts = physics.plan("full").tunings.map(({ rates }) => rates.length);
    expect(new Set(counts)).toEqual(new Set([3]));
  });
});

describe("a run", () => {
  it.each([
    ["pendulum", "none"],
    ["heat", "spectral"],
    ["landing", "decay"],
  ])("of %s, %s, is decided by its seed and measures what the tables show", async (experiment, arm) => {
    const asked = task(experiment, arm, { horizons: experiment === "landing" ? 1 : 10 });
    const [first, second] = [await run(asked), await run(asked)];
    expect(second).toEqual(first);
    const { metrics: columns } = physics.experiments.find(({ name }) => name === experiment)!;
    const undamped = experiment === "pendulum" && asked.variant === "undamped";
    for (const { key } of columns) {
      if (key === "rises" && undamped) continue;
      expect(metricAt(first.metrics, key), key).toEqual(expect.any(Number));
    }
    for (const key of ["bounded", "error", "drift"]) expect(first.metrics).toHaveProperty(key);
    expect(JSON.stringify(first.detail).length).toBeLessThan(100_000);
  });

  it("keeps the step of the spectral arm within 1 + h·c", async () => {
    const { metrics } = await run(task("pendulum", "spectral", { cap: 2, horizons: 10 }));
    expect(metrics.stretch as number).toBeLessThanOrEqual(1 + 0.01 * 2);
  });

  it("of a sweep says the validation error alone", async () => {
    const { metrics, detail } = await run({ ...task("pendulum", "none"), kind: "sweep", seed: 1001 });
    expect(Object.keys(metrics)).toEqual(["validation", "diverged"]);
    expect(detail).toBeNull();
  });
});

/** Results of runs made by hand, one for each of these. */
function resultsOf(
  runs: readonly { arm: string; experiment: string; variant?: string; metrics: Metrics }[],
): StudyResults {
  const records: RunRecord[] = runs.flatMap(({ arm, experiment, variant = "", metrics }) =>
    [1, 2].map((seed) => ({
      task: { ...task(experiment, arm), variant, seed },
      seconds: 1,
      metrics,
      detail: null,
    })),
  );
  return {
    cells: runs.map(({ arm, experiment, variant = "" }) => ({
      ...{ name: arm, experiment, variant, setting: {}, learningRate: 1, runs: [], summary: {} },
    })),
    records: (experiment, arm, variant) =>
      records.filter(
        ({ task: own }) =>
          own.experiment === experiment &&
          own.arm === arm &&
          (variant === undefined || own.variant === variant),
      ),
    sweeps: [],
    quick: true,
  };
}

describe("findings", () => {
  const heat = (arm: string, bounded: number, error: number) => ({
    arm,
    experiment: "heat",
    metrics: { bounded: { "10": 1, "100": bounded }, error, full: { bounded100: bounded, error } },
  });
  const landing = (arm: string, landed: number, full: number) => ({
    arm,
    experiment: "landing",
    metrics: { landed, full: { landed: full } },
  });
  const verdict = (results: StudyResults, word: string) =>
    physics.findings(results).find(({ claim }) => claim.includes(word))!.verdict;

  it("measure nothing without runs, or without the other arm", () => {
    for (const results of [resultsOf([]), resultsOf([heat("decay", 1, 0.1)])]) {
      expect(new Set(physics.findings(results).map((each) => each.verdict))).toEqual(
        new Set(["not measured"]),
      );
      expect(physics.sections(results).length).toBeGreaterThan(3);
    }
  });

  it("judge roll-outs both ways", () => {
    expect(verdict(resultsOf([heat("none", 0.5, 0.3), heat("spectral", 1, 0.2)]), "Heat")).toBe("holds");
    expect(verdict(resultsOf([heat("none", 0.5, 0.3), heat("spectral", 1, 0.4)]), "Heat")).toBe(
      "holds in part",
    );
    expect(verdict(resultsOf([heat("none", 1, 0.3), heat("spectral", 0.5, 0.4)]), "Heat")).toBe(
      "does not hold",
    );
  });

  it("judge landings both ways", () => {
    expect(verdict(resultsOf([landing("none", 0, 0), landing("spectral", 1, 1)]), "landing")).toBe("holds");
    expect(verdict(resultsOf([landing("none", 1, 0), landing("spectral", 1, 1)]), "landing")).toBe(
      "holds in part",
    );
    expect(verdict(resultsOf([landing("none", 1, 1), landing("spectral", 1, 0)]), "landing")).toBe(
      "does not hold",
    );
  });

  it("say that a capped residual is no contraction, unless some is", () => {
    const capped = (stretch: number) =>
      resultsOf([
        { arm: "spectral", experiment: "heat", metrics: { ...heat("spectral", 1, 1).metrics, stretch } },
      ]);
    expect(verdict(capped(1.2), "contraction")).toBe("does not hold");
    expect(verdict(capped(0.9), "contraction")).toBe("holds");
  });
});
