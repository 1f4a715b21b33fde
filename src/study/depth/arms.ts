import { finite, mean, metricAt } from "../statistics.ts";
import type { RunRecord, StudyResults } from "../study.ts";
import type { DeepArm } from "./network.ts";

/** What is compared. */
export const ARMS = [
  { name: "none", title: "none", about: "ReLU, weights as they are." },
  {
    name: "decay",
    title: "weight decay",
    about: "ReLU; λ/2·‖W‖² of every weight is added to the loss, λ = 10⁻³.",
  },
  {
    name: "spectral",
    title: "spectral norm",
    about: "ReLU; every weight but the last layer’s is divided by its largest singular value.",
  },
  {
    name: "spectralMaxMin",
    title: "spectral norm, MaxMin",
    about: "The same with MaxMin, which keeps the length of gradients, instead of ReLU.",
  },
  {
    name: "orthonormal",
    title: "orthonormal (Björck), MaxMin",
    about: "Every singular value of every weight but the last layer’s is 1; MaxMin.",
  },
  { name: "batchNorm", title: "batch normalisation", about: "ReLU, batch normalisation after every weight." },
] as const satisfies readonly { name: DeepArm; title: string; about: string }[];

/** Their weights do not depend on the size of the starting weights. */
export const CONTROLLED: readonly string[] = ["spectral", "spectralMaxMin", "orthonormal"];

export type Start = "he" | "steep";
/** Factors on the weights at the start, beside He et al. 2015, whose scale keeps the size of ReLU activations. */
export const STARTS: Readonly<Record<Start, { factor: number; title: string }>> = {
  he: { factor: 1, title: "usual start" },
  steep: { factor: 1.5, title: "start ×1.5" },
};

/** Controlled weights are the same whatever they start from, so they are run once. */
export function startsOf(arm: DeepArm): readonly Start[] {
  return CONTROLLED.includes(arm) ? ["he"] : ["he", "steep"];
}

/** How a cell of this depth and start is called. */
export function variantOf(depth: number, start: Start): string {
  return `${depth} layers, ${STARTS[start].title}`;
}

/** By hidden layer, from the first to the last. */
export interface LayerDetail {
  readonly gradient: readonly number[];
  readonly growth: readonly number[];
  readonly bound: readonly number[];
}

/** The most layers an experiment has runs of; 0 without any. */
export function deepest({ cells }: StudyResults, experiment: string): number {
  const own = cells.filter((cell) => cell.experiment === experiment);
  return own.reduce((most, { setting }) => Math.max(most, setting.depth as number), 0);
}

/** Runs of an arm from a start; where the start makes no difference, those there are. */
export function runsAt(
  results: StudyResults,
  experiment: string,
  arm: string,
  depth: number,
  start: Start,
): readonly RunRecord[] {
  const own = CONTROLLED.includes(arm) ? "he" : start;
  return results.records(experiment, arm, variantOf(depth, own));
}

/** The mean of a metric in the deepest network of an experiment; null without runs. */
export function meanAt(
  results: StudyResults,
  experiment: string,
  arm: string,
  start: Start,
  key: string,
): number | null {
  const runs = runsAt(results, experiment, arm, deepest(results, experiment), start);
  return mean(finite(runs.map(({ metrics }) => metricAt(metrics, key))));
}
