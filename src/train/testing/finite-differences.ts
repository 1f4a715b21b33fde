import { valueAndGrad } from "@jax-js/jax";
import { expect } from "vitest";
import type { Tensor } from "../types.ts";
import { float64 } from "./float64.ts";

/** A smooth step for float64: central differences are then right to about 1e-9. */
const STEP = 1e-5;

/**
 * Compares the gradient of a scalar function of one float64 array with central differences in every entry.
 * `compute` consumes its argument. The largest difference may be `tolerance`, relative to the largest entry (at least 1).
 */
export function expectGradient(
  compute: (x: Tensor) => Tensor,
  values: readonly number[],
  shape: readonly number[],
  tolerance = 1e-7,
): void {
  const at = (entries: readonly number[]) => float64(entries, shape);
  const [value, gradient] = valueAndGrad(compute)(at(values)) as unknown as [Tensor, Tensor];
  expect(Number.isFinite(value.dataSync()[0])).toBe(true);
  const analytic = [...gradient.dataSync()].map(Number);
  const numeric = values.map((entry, i) => {
    const [above, below] = [entry + STEP, entry - STEP].map(
      (moved) => compute(at(values.with(i, moved))).dataSync()[0],
    );
    return (above - below) / (2 * STEP);
  });
  const scale = Math.max(1, ...numeric.map(Math.abs));
  analytic.forEach((entry, i) => {
    expect(Math.abs(entry - numeric[i]) / scale, `entry ${i}: ${entry} against ${numeric[i]}`).toBeLessThan(
      tolerance,
    );
  });
}
