import { firstNotFinite } from "../data/arrays.ts";
import { DivergenceError } from "./divergence-error.ts";
import type { FeedBatch } from "./feed.ts";
import type { StepReport } from "./report.ts";

/** What a message about a step that diverged is made from. */
export interface Circumstances {
  readonly step: number;
  readonly batch: FeedBatch;
  /** Paths of the parameters, in the order of the report. */
  readonly parameters: readonly string[];
  /** The report of the step before, if there was one. */
  readonly before: StepReport | undefined;
  readonly checkpoint: string | null;
}

/** @throws DivergenceError when the loss or a parameter is not finite after a step. */
export function checkFinite(report: StepReport, circumstances: Circumstances): void {
  const { parameters, before, step, checkpoint } = circumstances;
  const broken = report.isFinite.indexOf(false);
  if (Number.isFinite(report.loss) && broken < 0) return;
  const steepest = before ? before.gradientNorms.indexOf(Math.max(...before.gradientNorms)) : -1;
  const blamed = Number.isFinite(report.loss) || steepest < 0 ? Math.max(0, broken) : steepest;
  const layer = parameters[blamed] ?? "";
  const what = Number.isFinite(report.loss)
    ? `${layer} is no longer finite (the loss was ${report.loss})`
    : `the loss is ${report.loss}`;
  const sentences = [
    `Training diverged in step ${step}: ${what}.`,
    ...(before && steepest >= 0
      ? [
          `In the step before, the longest gradient was that of ${parameters[steepest]}: ${before.gradientNorms[steepest].toPrecision(3)}.`,
        ]
      : []),
    ...badInputs(circumstances.batch),
    "The trainer keeps the parameters from before this step.",
    checkpoint === null
      ? "No checkpoint was saved."
      : `The last checkpoint is ${checkpoint}: resume() from it with a smaller learning rate, clipNorm, or a control on ${layer}.`,
  ];
  throw new DivergenceError(sentences.join(" "), { layer, step, checkpoint });
}

function badInputs(batch: FeedBatch): string[] {
  return Object.entries(batch).flatMap(([name, array]) => {
    if (!("data" in array) || typeof array.data === "function") return [];
    const wrong = firstNotFinite(array.data);
    return wrong < 0
      ? []
      : [`The batch itself is the cause: ${name} holds ${array.data[wrong]} (element ${wrong}).`];
  });
}
