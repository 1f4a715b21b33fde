import { numpy as np } from "@jax-js/jax";
import type { Schedule } from "../../train.ts";

/** The rate for the first half of the steps, then down to zero in a line. */
export function falling(rate: number, steps: number): Schedule {
  return (step) => np.minimum(1, np.maximum(0, step.mul(-2 / steps).add(2))).mul(rate);
}
