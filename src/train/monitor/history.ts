import type { StepReport } from "../trainer/report.ts";

/** Series for plots, one entry for each step recorded. */
export interface History {
  /** The number of the step, from 0. */
  readonly steps: readonly number[];
  readonly loss: readonly number[];
  readonly gradientNorm: readonly number[];
  /** σ₁ of each weight as its layer used it in the step, an estimate, by the weight's name: "0.weight". */
  readonly sigma: Readonly<Record<string, readonly number[]>>;
}

/** Records every n-th step, or none. */
export class HistoryRecorder implements History {
  readonly steps: number[] = [];
  readonly loss: number[] = [];
  readonly gradientNorm: number[] = [];
  readonly sigma: Readonly<Record<string, number[]>>;
  readonly #every: number | null;

  constructor(weights: readonly string[], every: number | null) {
    this.sigma = Object.fromEntries(weights.map((name) => [name, []]));
    this.#every = every;
  }

  record(step: number, report: StepReport): void {
    if (this.#every === null || step % this.#every !== 0) return;
    this.steps.push(step);
    this.loss.push(report.loss);
    this.gradientNorm.push(report.gradientNorm);
    Object.values(this.sigma).forEach((series, i) => {
      series.push(report.observed[i]);
    });
  }
}
