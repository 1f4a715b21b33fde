import { numpy as np } from "@jax-js/jax";
import type { Tensor } from "../types.ts";

/**
 * 1/x for positive x, to the last digit or two: e^(−log x) and a Newton step. Not by division: outside of compiled functions
 * jax-js 0.1.25 never frees the operand of a division that it differentiates. Consumes x.
 */
export function inverseOf(x: Tensor): Tensor {
  const near = np.exp(np.log(x.ref).neg());
  return near.ref.mul(x.mul(near).neg().add(2));
}
