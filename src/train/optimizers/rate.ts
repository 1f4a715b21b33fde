import { numpy as np } from "@jax-js/jax";
import { checkPositive } from "../checks.ts";
import { TrainError } from "../errors.ts";
import type { Schedule } from "../schedules/schedule.ts";
import type { Tensor } from "../types.ts";

/** A learning rate: a positive number, or a function of the number of steps taken so far. */
export type LearningRate = number | Schedule;

/** @throws TrainError for a learning rate that is neither a positive number nor a schedule. */
export function checkRate(kind: string, rate: LearningRate): LearningRate {
  if (typeof rate === "function") return rate;
  if (typeof rate === "number") return checkPositive(kind, "learningRate", rate);
  throw new TrainError(`${kind}: learningRate must be a positive number or a schedule; got ${String(rate)}.`);
}

/** The rate after `step` steps (int32), a float32 scalar. Consumes `step`. */
export function rateAt(rate: LearningRate, step: Tensor): Tensor {
  if (typeof rate === "function") return rate(step.astype(np.float32));
  step.dispose();
  return np.full([], rate, { dtype: np.float32 });
}
