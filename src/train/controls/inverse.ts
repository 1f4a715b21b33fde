import { jit, numpy as np } from "@jax-js/jax";
import type { Tensor } from "../types.ts";

/**
 * 1/x, elementwise. As a function of its own to `jit`: outside of it jax-js 0.1.25 never frees the operand of a reciprocal that
 * it differentiates. Compiled functions see through it. Consumes x.
 */
export const inverseOf: (x: Tensor) => Tensor = jit((x: Tensor) => np.reciprocal(x));
