import { difference, errorBound, lengths } from "./measures.ts";
import { evaluate, type Perceptron, steepness } from "./perceptron.ts";
import type { Rollout } from "./rollout.ts";
import { coarsely, type System } from "./systems.ts";

/**
 * A proved Lipschitz constant of the learned step x + h·f(x): 1 + h·√w·L, with L that of the perceptron and √w the norm of taking
 * out windows of w points, in which each point is seen w times. null with a coarse solver, which has none over all states.
 */
export async function stepStretch({ window, h, coarse }: System, f: Perceptron): Promise<number | null> {
  return coarse === null ? 1 + h * Math.sqrt(window ?? 1) * (await steepness(f)) : null;
}

/** x + h·f(x) of one state, in float64. */
export function learnedStep(system: System, f: Perceptron, x: Float64Array): Float64Array {
  const { size, window, h } = system;
  const from = coarsely(system, x);
  if (window === null) {
    const change = evaluate(f, from);
    return from.map((value, i) => value + h * change[i]);
  }
  const seen = new Float64Array(window);
  return from.map((value, i) => {
    for (let j = 0; j < window; j++) seen[j] = from[(i + j - (window >> 1) + size) % size];
    return value + h * evaluate(f, seen)[0];
  });
}

/** An n-step error beside its bound, at several n. */
export interface StepErrors {
  readonly steps: readonly number[];
  /** ‖x̂ₙ − xₙ‖₂ of the first state. */
  readonly measured: readonly number[];
  /** Δ·Σ_{i<n} Kⁱ, with Δ the largest error of one step from the true states up to there. */
  readonly bound: readonly number[];
}

/**
 * How far a roll-out strays from its true path beside what its one-step errors on that path allow.
 * @param truth the true states, one row for each step from 0 on, several states in a row; the first counts.
 */
export function stepErrors(
  system: System,
  f: Perceptron,
  stretch: number,
  { steps, states }: Rollout,
  truth: readonly Float64Array[],
): StepErrors {
  const { size } = system;
  const first = (row: ArrayLike<number>) => Float64Array.from({ length: size }, (_, i) => row[i]);
  const kept = steps.map((step, i) => ({ step, i })).filter(({ step }) => step > 0 && step < truth.length);
  let delta = 0;
  let reached = 0;
  const bounds = kept.map(({ step }) => {
    for (; reached < step; reached++) {
      const off = difference(learnedStep(system, f, first(truth[reached])), first(truth[reached + 1]));
      delta = Math.max(delta, ...lengths(off, size));
    }
    return errorBound(delta, stretch, step);
  });
  return {
    steps: kept.map(({ step }) => step),
    measured: kept.map(({ step, i }) => lengths(difference(first(states[i]), first(truth[step])), size)[0]),
    bound: bounds,
  };
}
