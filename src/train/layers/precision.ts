import { numpy as np } from "@jax-js/jax";
import type { Tensor } from "../types.ts";

/** The array itself, or float16 as float32: for sums of squares and exponentials, which overflow in float16. */
export function atLeastFloat32(array: Tensor): Tensor {
  return array.dtype === np.float16 ? array.astype(np.float32) : array;
}
