import { expect } from "vitest";
import { summarizeMetrics } from "../statistics.ts";
import type { RunRecord, Study, StudyResults } from "../study.ts";

/** What a study has when none of its arms was run. */
export function emptyResults(): StudyResults {
  return resultsOf([]);
}

/** Results made of these runs, those of one experiment, arm and variant as one cell. */
export function resultsOf(records: readonly RunRecord[]): StudyResults {
  const key = ({ task }: RunRecord) => [task.experiment, task.variant, task.arm].join("/");
  const cells = [...new Set(records.map(key))].map((name) => {
    const own = records.filter((record) => key(record) === name);
    const { experiment, arm, variant, setting, learningRate } = own[0].task;
    return {
      name: arm,
      experiment,
      variant,
      setting,
      learningRate,
      runs: own.map(({ task, seconds, metrics }) => ({ ...metrics, seed: task.seed, seconds })),
      summary: summarizeMetrics(own.map(({ metrics }) => metrics)),
    };
  });
  return {
    cells,
    sweeps: [],
    quick: false,
    records: (experiment, arm, variant) =>
      records.filter(
        ({ task }) =>
          task.experiment === experiment &&
          task.arm === arm &&
          (variant === undefined || task.variant === variant),
      ),
  };
}

/** Checks that a study's plans name arms, experiments and tunings that exist, and that full runs have five seeds or more. */
export function wellFormed(study: Study): void {
  const arms = study.arms.map(({ name }) => name);
  const experiments = study.experiments.map(({ name }) => name);
  for (const scale of ["quick", "full"] as const) {
    const plan = study.plan(scale);
    const tunings = plan.tunings.map(({ name }) => name);
    expect(new Set(tunings).size).toBe(tunings.length);
    for (const part of [...plan.cells, ...plan.tunings]) {
      expect(arms).toContain(part.arm);
      expect(experiments).toContain(part.experiment);
    }
    for (const { tuning } of plan.cells) if (tuning !== undefined) expect(tunings).toContain(tuning);
    const keys = plan.cells.map(({ experiment, arm, variant }) => [experiment, arm, variant].join("/"));
    expect(new Set(keys).size).toBe(keys.length);
  }
  expect(study.plan("full").seeds).toBeGreaterThanOrEqual(5);
}
