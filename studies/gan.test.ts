import { describe, expect, it } from "vitest";
import { summarizeMetrics } from "../src/study/statistics.ts";
import type { Metrics, RunRecord, StudyResults } from "../src/study/study.ts";
import { gan } from "./gan.ts";

describe("the plan", () => {
  it("names arms, experiments and tunings that exist, every cell once, and five seeds", () => {
    for (const scale of ["quick", "full"] as const) {
      const { cells, tunings, seeds } = gan.plan(scale);
      const keys = cells.map(({ experiment, arm, variant }) => [experiment, arm, variant].join());
      expect(new Set(keys).size).toBe(cells.length);
      for (const { arm, experiment, tuning } of cells) {
        expect(gan.arms.map(({ name }) => name)).toContain(arm);
        expect(gan.experiments.map(({ name }) => name)).toContain(experiment);
        if (tuning !== undefined) expect(tunings.map(({ name }) => name)).toContain(tuning);
      }
      expect(new Set(tunings.map(({ name }) => name)).size).toBe(tunings.length);
      expect(seeds).toBeGreaterThanOrEqual(scale === "full" ? 5 : 1);
    }
    const used = new Set(gan.plan("full").cells.map(({ arm }) => arm));
    expect(used).toEqual(new Set(gan.arms.map(({ name }) => name)));
  });

  it("gives every arm of a setting the same budget", () => {
    const { cells } = gan.plan("full");
    for (const variant of ["A", "B", "C", "D", "E", "F"]) {
      const settings = cells.filter((cell) => cell.experiment === "grid" && cell.variant === variant);
      expect(settings.length).toBeGreaterThanOrEqual(7);
      expect(new Set(settings.map(({ setting }) => JSON.stringify(setting))).size).toBe(1);
    }
  });
});

/** One cell of hand-made runs, one for each of the metrics given. */
type Made = readonly [experiment: string, arm: string, variant: string, metrics: readonly Metrics[]];

function resultsOf(made: readonly Made[], upper: Record<string, number[]> = {}): StudyResults {
  const runs: RunRecord[] = made.flatMap(([experiment, arm, variant, all]) =>
    all.map((metrics, i) => ({
      task: {
        ...{ study: "gan", kind: "run", experiment, arm, variant },
        ...{ setting: {}, learningRate: null, seed: i + 1 },
      },
      seconds: 1,
      metrics,
      detail: {
        ...{ rounds: [0, 10], modes: [1, 2], hq: [0, 0.5], lower: [1, 1] },
        ...{ upper: upper[arm] ?? [1, 1], clouds: [[0, 0, 1, 1]], pictures: [] },
      },
    })),
  );
  const ofCell = (experiment: string, arm: string, variant?: string) =>
    runs.filter(
      ({ task }) =>
        task.experiment === experiment &&
        task.arm === arm &&
        (variant === undefined || task.variant === variant),
    );
  return {
    cells: made.map(([experiment, name, variant, metrics]) => ({
      ...{ name, experiment, variant, setting: {}, learningRate: null },
      runs: ofCell(experiment, name, variant).map((run) => ({
        ...run.metrics,
        seed: run.task.seed,
        seconds: 1,
      })),
      summary: summarizeMetrics(metrics),
    })),
    records: ofCell,
    sweeps: [],
    quick: false,
  };
}

const found = (modes: number, hq: number): Metrics[] => [{ modes, hq, reverseKl: 0.1, w1: 0.1, diverged: 0 }];

const verdicts = (results: StudyResults) => gan.findings(results).map(({ verdict }) => verdict);

describe("findings", () => {
  it("are open without results, and no section is drawn", () => {
    const results = resultsOf([]);
    expect(new Set(verdicts(results))).toEqual(new Set(["not measured"]));
    expect(gan.sections(results)).toEqual([]);
  });

  it("judge the aim at D by its means", () => {
    const aim = (...metrics: Metrics[]) => verdicts(resultsOf([["grid", "sn2", "D", metrics]]))[0];
    expect(aim(...found(25, 0.8), ...found(23, 0.7))).toBe("holds");
    expect(aim(...found(25, 0.8), ...found(24, 0.5))).toBe("holds in part");
    expect(aim(...found(25, 0.1))).toBe("does not hold");
  });

  it("count usable settings, and do not take scattered points for modes", () => {
    const usable = (own: number, other: number, otherHq: number) =>
      verdicts(
        resultsOf([
          ["grid", "sn2", "A", found(25, 0.9)],
          ["grid", "none", "A", found(25, otherHq)],
          ["grid", "sn2", "D", found(own, 0.9)],
          ["grid", "none", "D", found(other, otherHq)],
        ]),
      )[1];
    expect(usable(25, 5, 0.9)).toBe("holds");
    expect(usable(25, 25, 0.1)).toBe("holds in part");
    expect(usable(5, 25, 0.9)).toBe("does not hold");
  });

  it("hold critics to the product of their caps", () => {
    const slope = (upper: number[]) =>
      verdicts(
        resultsOf(
          [
            ["grid", "sn2", "D", found(25, 0.9)],
            ["grid", "none", "D", found(5, 0.9)],
          ],
          { sn2: upper, none: [2, 60] },
        ),
      )[3];
    expect(slope([7.9, 8])).toBe("holds");
    expect(slope([7.9, 9])).toBe("holds in part");
  });

  it("tell means apart by their standard errors, and nothing by one seed", () => {
    const roll = (held: number[], free: number[]) => {
      const runs = (values: number[]) => values.map((w1): Metrics => ({ w1 }));
      return verdicts(
        resultsOf([
          ["roll", "sn2", "", runs(held)],
          ["roll", "none", "", runs(free)],
        ]),
      )[7];
    };
    expect(roll([1, 1.1], [2, 2.1])).toBe("holds");
    expect(roll([1, 2], [1.9, 1.2])).toBe("does not hold");
    expect(roll([1], [2])).toBe("not measured");
    const substitutes = (...penalty: number[]) =>
      verdicts(
        resultsOf([
          ["grid", "sn2", "D", [...found(25, 0.8), ...found(25, 0.82)]],
          ["grid", "decay", "D", [...found(25, 0.6), ...found(25, 0.62)]],
          ["grid", "penalty", "D", penalty.flatMap((hq) => found(25, hq))],
        ]),
      )[4];
    expect(substitutes(0.5, 0.51)).toBe("holds");
    expect(substitutes(0.7, 0.9)).toBe("holds in part");
  });

  it("tell a lower bound from a value that is too high", () => {
    const distance = (sn1: number, bjorck: number) =>
      verdicts(
        resultsOf([
          ["distance", "sn1", "plane", [{ w1: sn1, certified: sn1 }]],
          ["distance", "bjorck", "plane", [{ w1: bjorck, certified: bjorck }]],
        ]),
      ).slice(8, 10);
    expect(distance(0.8, 0.99)).toEqual(["holds", "does not hold"]);
    expect(distance(0.99, 1.2)).toEqual(["does not hold", "holds"]);
  });

  it("are made of whatever arms were run", () => {
    const plan = gan.plan("full");
    for (const kept of gan.arms) {
      const made = plan.cells
        .filter(({ arm }) => arm === kept.name)
        .map(({ experiment, arm, variant = "" }): Made => [experiment, arm, variant, found(3, 0.2)]);
      const results = resultsOf(made);
      expect(gan.findings(results).every(({ because }) => !/NaN|undefined|null/.test(because))).toBe(true);
      expect(gan.sections(results).length).toBeGreaterThan(0);
    }
  });
});
