import { lax, numpy as np } from "@jax-js/jax";
import type { Tensor } from "../types.ts";

/**
 * log(1 + eˣ) without overflow, its derivative the sigmoid everywhere, 0 included: the larger exponent is taken out as a
 * constant, so nothing depends on which side of a tie is differentiated. Consumes x.
 */
export function softplus(x: Tensor): Tensor {
  const largest = lax.stopGradient(np.maximum(0, x.ref));
  const rest = np.exp(x.sub(largest.ref)).add(np.exp(largest.ref.neg()));
  return largest.add(np.log(rest));
}
