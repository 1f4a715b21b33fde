import { defaultDevice, init } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import type { CellReport } from "../src/study/schema.ts";
import { summarizeMetrics } from "../src/study/statistics.ts";
import type { Metrics, StudyResults, Task } from "../src/study/study.ts";
import { decide } from "../src/study/tasks.ts";
import { robust } from "./robust.ts";

const context = { progress: () => {} };

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

describe("the plan", () => {
  const arms = robust.arms.map(({ name }) => name);
  const experiments = robust.experiments.map(({ name }) => name);

  it.each(["quick", "full"] as const)("%s: names only what there is", (scale) => {
    const { tunings, cells } = robust.plan(scale);
    const names = tunings.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { arm, experiment } of [...tunings, ...cells]) {
      expect(arms).toContain(arm);
      expect(experiments).toContain(experiment);
    }
    for (const cell of cells) for (const name of cell.tunings ?? []) expect(names).toContain(name);
    const rows = cells.map(({ experiment, arm, variant }) => `${experiment} ${arm} ${variant}`);
    expect(new Set(rows).size).toBe(rows.length);
  });

  it("runs every arm in both networks with five seeds or more", () => {
    const { cells, seeds } = robust.plan("full");
    expect(seeds).toBeGreaterThanOrEqual(5);
    for (const experiment of ["mlp", "conv"]) {
      const own = cells.filter((cell) => cell.experiment === experiment);
      expect(own.map(({ arm }) => arm)).toEqual(arms);
      expect(own.every((cell) => cell.seeds === undefined)).toBe(true);
    }
  });

  it("gives all arms of a network the same size and budget", () => {
    const { cells, tunings } = robust.plan("full");
    for (const network of ["mlp", "conv"]) {
      for (const runs of [cells, tunings]) {
        const budgets = runs
          .filter(({ experiment }) => experiment === network)
          .map(({ setting: { loss, decay, cap, ...rest } }) => JSON.stringify(rest));
        expect(new Set(budgets).size).toBe(1);
      }
    }
  });

  it("runs each arm at the strength that its sweeps chose, and every strength along the frontier", () => {
    const { cells, tunings } = robust.plan("full");
    for (const best of tunings) {
      const reports = tunings.map(({ name, experiment, arm, rates, choice }) => ({
        ...{ tuning: name, experiment, arm, score: "score", better: "higher" as const },
        rates: rates.map((learningRate) => ({ learningRate, score: name === best.name ? 0.9 : 0.5 })),
        chosen: rates[0],
        ...(choice === undefined ? {} : { choice }),
      }));
      for (const cell of cells.filter(({ arm }) => arm === best.arm)) {
        const { loss, cap, decay } = decide(cell, reports)!.cell.setting;
        const asked = cell.experiment === best.experiment ? best.setting : cell.setting;
        if (cell.experiment !== best.experiment && cell.experiment !== "frontier") continue;
        expect({ loss, cap, decay }).toEqual({ loss: asked.loss, cap: asked.cap, decay: asked.decay });
      }
    }
  });
});

describe("a run", () => {
  const taskOf = (arm: string, experiment: string, seed = 1): Task => {
    const cell = robust
      .plan("quick")
      .cells.find((each) => each.arm === arm && each.experiment === experiment)!;
    const setting = {
      ...cell.setting,
      ...{ units: 8, digits: 128, test: 30, epochs: 1, batch: 32 },
      attack: { points: 5, steps: 3 },
    };
    return { study: "robust", kind: "run", experiment, arm, variant: "", setting, learningRate: 4e-3, seed };
  };

  it.each([
    ["sn", "mlp"],
    ["bjorck", "conv"],
  ])("of %s (%s) gives the same numbers twice", async (arm, experiment) => {
    const first = await robust.run(taskOf(arm, experiment), context);
    expect(await robust.run(taskOf(arm, experiment), context)).toEqual(first);
  });

  it("gives others for another seed", async () => {
    const runs = [1, 2].map((seed) => robust.run(taskOf("bjorck", "mlp", seed), context));
    const [first, other] = await Promise.all(runs);
    expect(other.metrics).not.toEqual(first.metrics);
  });

  it.each(["plain", "decay", "gouk", "sn", "hkr", "gloro"])(
    "of %s is finite and keeps its promises",
    async (arm) => {
      const { metrics, detail } = await robust.run(taskOf(arm, "mlp"), context);
      expect(metrics.violations).toBe(0);
      expect(metrics.diverged).toBe(0);
      for (const key of ["clean", "score", "lipschitz"]) expect(Number.isFinite(metrics[key])).toBe(true);
      if (["gouk", "sn", "hkr"].includes(arm)) expect(metrics.lipschitz).toBeLessThan(1.002);
      const { certified, attacked } = detail as { certified: number[]; attacked: number[] };
      certified.forEach((share, i) => {
        expect(share).toBeLessThanOrEqual(attacked[i]);
      });
    },
  );

  it("that diverges is a result", async () => {
    const task = { ...taskOf("plain", "mlp"), learningRate: 1e38 };
    const { metrics } = await robust.run(task, context);
    expect(metrics.diverged).toBe(1);
  });

  it("of a sweep is judged without attack, by digits held out of training", async () => {
    const task = taskOf("sn", "mlp");
    const sweep: Task = { ...task, kind: "sweep", setting: { ...task.setting, digits: 1128 } };
    const { metrics } = await robust.run(sweep, context);
    expect(metrics.score).toBeGreaterThan(0);
    expect(metrics.attacked).toBeUndefined();
  });
});

describe("findings", () => {
  const metricsOf = (clean: number, certified: number, far: number, violations = 0): Metrics => ({
    clean,
    certified: { "0.3": certified, "1.58": far },
    attacked: { "0.3": certified, "1.58": far },
    violations,
    lipschitz: 1,
  });
  const cellOf = (
    experiment: string,
    name: string,
    metrics: readonly Metrics[],
    variant = "",
  ): CellReport => ({
    name,
    experiment,
    variant,
    setting: {},
    learningRate: null,
    runs: metrics.map((each, i) => ({ ...each, seed: i + 1, seconds: 1 })),
    summary: summarizeMetrics(metrics),
  });
  const resultsOf = (...cells: CellReport[]): StudyResults => ({
    cells,
    records: () => [],
    sweeps: [],
    quick: false,
  });
  const verdicts = (...cells: CellReport[]) =>
    Object.fromEntries(robust.findings(resultsOf(...cells)).map(({ claim, verdict }) => [claim, verdict]));
  const claim = (words: string) =>
    robust.findings(resultsOf()).find((finding) => finding.claim.includes(words))!.claim;

  it("are not measured without results, and there is nothing to draw", () => {
    for (const { verdict } of robust.findings(resultsOf())) expect(verdict).toBe("not measured");
    expect(robust.sections(resultsOf())).toEqual([]);
  });

  it("hold where the numbers bear them", () => {
    const said = verdicts(
      cellOf("mlp", "plain", [metricsOf(0.97, 0.01, 0)]),
      cellOf("mlp", "decay", [metricsOf(0.97, 0.02, 0)]),
      cellOf("mlp", "gouk", [metricsOf(0.9, 0.5, 0)]),
      cellOf("mlp", "hkr", [metricsOf(0.95, 0.92, 0.5)]),
      cellOf("mlp", "sn", [metricsOf(0.95, 0.9, 0.3)]),
      cellOf("mlp", "bjorck", [metricsOf(0.96, 0.93, 0.44)]),
      cellOf("frontier", "sn", [metricsOf(0.96, 0.9, 0.2)], "margin 1"),
      cellOf("frontier", "sn", [metricsOf(0.94, 0.9, 0.3)], "margin 2"),
    );
    for (const verdict of Object.values(said)) expect(verdict).toBe("holds");
  });

  it("do not hold where they do not", () => {
    const said = verdicts(
      cellOf("mlp", "plain", [metricsOf(0.9, 0.5, 0.3)]),
      cellOf("mlp", "decay", [metricsOf(0.9, 0.6, 0.3)]),
      cellOf("mlp", "gouk", [metricsOf(0.9, 0.5, 0)]),
      cellOf("mlp", "hkr", [metricsOf(0.9, 0.5, 0.3)]),
      cellOf("mlp", "sn", [metricsOf(0.9, 0.5, 0.3, 1)]),
      cellOf("mlp", "bjorck", [metricsOf(0.9, 0.5, 0.3)]),
      cellOf("frontier", "sn", [metricsOf(0.9, 0.5, 0.3)], "margin 1"),
      cellOf("frontier", "sn", [metricsOf(0.9, 0.5, 0.3)], "margin 2"),
    );
    for (const verdict of Object.values(said)) expect(verdict).toBe("does not hold");
  });

  it("hold in part where one network shows it and the other does not, or one number is missed", () => {
    const said = verdicts(
      cellOf("mlp", "plain", [metricsOf(0.97, 0.01, 0)]),
      cellOf("mlp", "sn", [metricsOf(0.97, 0.9, 0.3)]),
      cellOf("conv", "plain", [metricsOf(0.97, 0.5, 0.3)]),
      cellOf("conv", "sn", [metricsOf(0.95, 0.5, 0.3)]),
    );
    expect(said[claim("than no control at all")]).toBe("holds in part");
    expect(said[claim("92 % certified")]).toBe("holds in part");
  });

  it("need more than the spread of the seeds", () => {
    const said = verdicts(
      cellOf("mlp", "plain", [metricsOf(0.97, 0.2, 0), metricsOf(0.97, 0.6, 0)]),
      cellOf("mlp", "sn", [metricsOf(0.97, 0.3, 0), metricsOf(0.97, 0.7, 0)]),
    );
    expect(said[claim("than no control at all")]).toBe("does not hold");
  });
});
