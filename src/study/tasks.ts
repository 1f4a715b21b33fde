import type { SweepReport } from "./schema.ts";
import { finite, mean, metricAt } from "./statistics.ts";
import type { Cell, RunRecord, Study, StudyPlan, Task, Tuning } from "./study.ts";

/** Sweeps use seeds from here, runs smaller ones: no run is judged by a seed that chose its learning rate. */
const FIRST_SWEEP_SEED = 1001;

/** The runs of a tuning: each rate with each of its seeds. */
export function sweepTasks(study: Study, tuning: Tuning): Task[] {
  const seeds = Array.from({ length: tuning.seeds ?? 1 }, (_, i) => FIRST_SWEEP_SEED + i);
  return tuning.rates.flatMap((learningRate) =>
    seeds.map((seed) => ({
      study: study.name,
      kind: "sweep" as const,
      experiment: tuning.experiment,
      arm: tuning.arm,
      variant: tuning.name,
      setting: tuning.setting,
      learningRate,
      seed,
    })),
  );
}

/** The seeds of a study's runs. */
export interface SeedRange {
  readonly first: number;
  readonly count: number;
}

/** The runs of a cell. */
export function cellTasks(study: Study, { cell, learningRate }: Decided, seeds: SeedRange): Task[] {
  return Array.from({ length: Math.min(seeds.count, cell.seeds ?? seeds.count) }, (_, i) => ({
    study: study.name,
    kind: "run" as const,
    experiment: cell.experiment,
    arm: cell.arm,
    variant: cell.variant ?? "",
    setting: cell.setting,
    learningRate,
    seed: seeds.first + i,
  }));
}

/** What a sweep found; rates whose runs give no score lose, and of none the smallest is taken. */
export function sweepResult(tuning: Tuning, records: readonly RunRecord[]): SweepReport {
  const sign = tuning.better === "higher" ? 1 : -1;
  const rates = tuning.rates.map((learningRate) => {
    const runs = records.filter((record) => record.task.learningRate === learningRate);
    const scores = runs.map((run) => metricAt(run.metrics, tuning.score));
    const complete = finite(scores).length === scores.length;
    return { learningRate, score: complete ? mean(finite(scores)) : null };
  });
  const scored = rates.filter((rate) => rate.score !== null);
  const best = scored.reduce<(typeof rates)[number] | undefined>(
    (top, rate) => (top === undefined || sign * (rate.score! - top.score!) > 0 ? rate : top),
    undefined,
  );
  return {
    tuning: tuning.name,
    experiment: tuning.experiment,
    arm: tuning.arm,
    score: tuning.score,
    better: tuning.better,
    rates,
    chosen: best?.learningRate ?? Math.min(...tuning.rates),
    ...(tuning.choice === undefined ? {} : { choice: tuning.choice }),
  };
}

/** A cell as its sweeps decided it; null while one of them is missing. */
export interface Decided {
  readonly cell: Cell;
  /** null where the setting says all. */
  readonly learningRate: number | null;
}

export function decide(cell: Cell, sweeps: readonly SweepReport[]): Decided | null {
  const names = tuningsOf(cell);
  if (names.length === 0) return { cell, learningRate: null };
  const found = sweeps.filter(({ tuning }) => names.includes(tuning));
  if (found.length < names.length) return null;
  const best = found.reduce((top, sweep) => (scoreOf(sweep) > scoreOf(top) ? sweep : top));
  return { cell: { ...cell, setting: { ...cell.setting, ...best.choice } }, learningRate: best.chosen };
}

/** The score at the chosen rate, more being better. */
function scoreOf({ rates, chosen, better }: SweepReport): number {
  const score = rates.find(({ learningRate }) => learningRate === chosen)?.score ?? null;
  if (score === null) return Number.NEGATIVE_INFINITY;
  return better === "higher" ? score : -score;
}

function tuningsOf({ tuning, tunings = [] }: Cell): readonly string[] {
  return tuning === undefined ? tunings : [tuning];
}

/** The part of a plan that concerns these arms. */
export function planFor(plan: StudyPlan, arms: ReadonlySet<string>): StudyPlan {
  const cells = plan.cells.filter((cell) => arms.has(cell.arm));
  const needed = new Set(cells.flatMap(tuningsOf));
  return { ...plan, cells, tunings: plan.tunings.filter(({ name }) => needed.has(name)) };
}
