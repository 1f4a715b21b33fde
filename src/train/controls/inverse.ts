import { numpy as np } from "@jax-js/jax";
import type { Tensor } from "../types.ts";

/**
 * 1/x for positive x as e^(−log x). Not by division: outside of compiled functions jax-js 0.1.25 never frees the operand of a
 * division that it differentiates. In float64, for which it computes both functions to float32's precision only, a Newton step
 * follows. Consumes x.
 */
export function inverseOf(x: Tensor): Tensor {
  if (x.dtype !== np.float64) return np.exp(np.log(x).neg());
  const near = np.exp(np.log(x.ref).neg());
  return near.ref.mul(x.mul(near).neg().add(2));
}
