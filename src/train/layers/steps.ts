import { numpy as np } from "@jax-js/jax";
import type { Tensor } from "../types.ts";

/** jax-js splits and joins at most so many arrays at once; more would be chained, copying the rest each time. */
const BRANCHES = 7;

/** [steps, …] → `steps` arrays of shape […]. A tree of splits: every number is copied log₇(steps) times. Consumes x. */
export function splitSteps(x: Tensor): Tensor[] {
  const [steps, ...rest] = x.shape;
  if (steps === 1) return [x.reshape(rest)];
  const each = Math.ceil(steps / Math.min(BRANCHES, steps));
  const cuts: number[] = [];
  for (let cut = each; cut < steps; cut += each) cuts.push(cut);
  return np.split(x, cuts, 0).flatMap(splitSteps);
}

/** Arrays of shape […] → [steps, …], the way back. Consumes them. */
export function joinSteps(arrays: readonly Tensor[]): Tensor {
  let parts = arrays.map((array) => array.reshape([1, ...array.shape]));
  while (parts.length > 1) {
    const joined: Tensor[] = [];
    for (let i = 0; i < parts.length; i += BRANCHES) {
      joined.push(np.concatenate(parts.slice(i, i + BRANCHES), 0));
    }
    parts = joined;
  }
  return parts[0];
}
