import type { Tensor } from "../types.ts";

/**
 * A learning rate as a function of the number of steps taken so far, a float32 scalar that it consumes; the result is a float32
 * scalar. It is traced, not called, in every step: no branching on the number.
 */
export type Schedule = (step: Tensor) => Tensor;
