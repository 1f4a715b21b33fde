import { finite, mean } from "../statistics.ts";
import type { RunRecord, StudyResults } from "../study.ts";
import type { RnnDetail } from "./detail.ts";

/** Runs of an experiment's longest variant. */
export function longest(results: StudyResults, experiment: string, arm: string): readonly RunRecord[] {
  const cells = results.cells.filter((cell) => cell.experiment === experiment && cell.name === arm);
  const last = cells.at(-1);
  return last === undefined ? [] : results.records(experiment, arm, last.variant);
}

/** What the figures draw of these runs. */
export function detailsOf(runs: readonly RunRecord[]): RnnDetail[] {
  return runs.map(({ detail }) => detail as unknown as RnnDetail);
}

/** Of the values above 0; null where there is none. */
export function geometricMean(values: readonly (number | null)[]): number | null {
  const centre = mean(
    finite(values)
      .filter((value) => value > 0)
      .map(Math.log),
  );
  return centre === null ? null : Math.exp(centre);
}
