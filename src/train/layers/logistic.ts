import { numpy as np } from "@jax-js/jax";
import type { Tensor } from "../types.ts";
import { atLeastFloat32 } from "./precision.ts";

/** Below it 1/(1 + e⁻ˣ) < 2e-35 and e⁻ˣ would overflow, which makes the derivative 0·∞. */
const LEAST = -80;

/** 1/(1 + e⁻ˣ), entry by entry, with a finite derivative everywhere. Computed in float32 at least. Consumes x. */
export function logistic(x: Tensor): Tensor {
  const { dtype } = x;
  const wide = np.maximum(atLeastFloat32(x), LEAST);
  return np.reciprocal(np.exp(np.negative(wide)).add(1)).astype(dtype);
}
