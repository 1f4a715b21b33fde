import { ArrayType } from "../../compile/array-type.ts";
import { jaxArrayOf } from "../../compile/jax-arrays.ts";
import type { Shape, Tensor } from "../types.ts";

/** A float64 array of jax-js, which it does not make from typed arrays itself on every version of Node. */
export function float64(values: readonly number[], shape: Shape = [values.length]): Tensor {
  return jaxArrayOf(new ArrayType(shape, "float64", false), Float64Array.from(values));
}
