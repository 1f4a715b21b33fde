import { TrainError } from "../errors.ts";

/** How much of an average is kept in each step: in [0, 1). */
export function checkDecayRate(kind: string, name: string, value: number): number {
  if (typeof value === "number" && value >= 0 && value < 1) return value;
  throw new TrainError(`${kind}: ${name} must be at least 0 and below 1; got ${String(value)}.`);
}
