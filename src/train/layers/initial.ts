import { random } from "@jax-js/jax";
import type { Shape, Tensor } from "../types.ts";

/**
 * Uniform in ±1/√fanIn, what PyTorch's layers start from. `fanIn` is the number of inputs that one output sums over.
 * Consumes `key`.
 */
export function uniformFanIn(key: Tensor, shape: Shape, fanIn: number): Tensor {
  const bound = 1 / Math.sqrt(fanIn);
  return random.uniform(key, [...shape], { minval: -bound, maxval: bound });
}
