import { numpy as np } from "@jax-js/jax";
import { checkCount, checkNotNegative, checkOptions, checkPositive } from "../checks.ts";
import { TrainError } from "../errors.ts";
import type { Tensor } from "../types.ts";
import type { Schedule } from "./schedule.ts";

/** The same rate at every step. */
export function constant(rate: number): Schedule {
  checkPositive("constant", "rate", rate);
  return (step) => step.mul(0).add(rate);
}

export interface CosineOptions {
  /** The rate at step 0. */
  readonly initial: number;
  /** Steps until the final rate, which stays. */
  readonly steps: number;
  /** Default 0. */
  readonly final?: number;
}

/** Half a cosine from `initial` to `final` (Loshchilov & Hutter 2017, arXiv:1608.03983). */
export function cosine(options: CosineOptions): Schedule {
  checkOptions("cosine", options, ["initial", "steps", "final"]);
  const initial = checkPositive("cosine", "initial", options.initial);
  const steps = checkCount("cosine", "steps", options.steps);
  const final = checkNotNegative("cosine", "final", options.final ?? 0);
  return (step) => {
    const height = np.cos(np.minimum(steps, step).mul(Math.PI / steps)).add(1);
    return height.mul((initial - final) / 2).add(final);
  };
}

export interface WarmupOptions {
  /** Steps of the warm-up; step k uses (k + 1)/steps of the rate. */
  readonly steps: number;
  /** The rate, or the schedule that begins (at its own step 0) when the warm-up is over. */
  readonly rate: number | Schedule;
}

/** The rate grows linearly over the first steps (Goyal et al. 2017, arXiv:1706.02677). */
export function warmup(options: WarmupOptions): Schedule {
  checkOptions("warmup", options, ["steps", "rate"]);
  const steps = checkCount("warmup", "steps", options.steps);
  const schedule = typeof options.rate === "function" ? options.rate : constant(options.rate);
  return (step) => {
    const grown = np.minimum(1, step.ref.add(1).mul(1 / steps));
    return schedule(np.maximum(0, step.sub(steps))).mul(grown);
  };
}

export interface DecayOptions {
  /** The rate at step 0. */
  readonly initial: number;
  /** Steps between two multiplications by the factor. */
  readonly every: number;
  /** In (0, 1]. */
  readonly factor: number;
}

/** initial·factor^⌊step/every⌋: falls in steps. */
export function stepDecay(options: DecayOptions): Schedule {
  const { initial, every, factor } = checkDecay("stepDecay", options);
  // A little is added before rounding down: step·(1/every) may fall short of the whole number it stands for.
  return (step) => power(factor, np.floor(step.add(1e-3).div(every))).mul(initial);
}

/** initial·factor^(step/every): the same fall, smoothly. */
export function exponentialDecay(options: DecayOptions): Schedule {
  const { initial, every, factor } = checkDecay("exponentialDecay", options);
  return (step) => power(factor, step.mul(1 / every)).mul(initial);
}

/** factor^exponent; consumes the exponent. */
function power(factor: number, exponent: Tensor): Tensor {
  return np.exp(exponent.mul(Math.log(factor)));
}

function checkDecay(kind: string, options: DecayOptions): DecayOptions {
  checkOptions(kind, options, ["initial", "every", "factor"]);
  const factor = checkPositive(kind, "factor", options.factor);
  if (factor > 1) throw new TrainError(`${kind}: factor must be at most 1; got ${factor}.`);
  return {
    initial: checkPositive(kind, "initial", options.initial),
    every: checkCount(kind, "every", options.every),
    factor,
  };
}
