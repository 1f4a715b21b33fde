import type { TensorEntry } from "../formats/model.ts";
import type { WeightPlan } from "../network/use.ts";
import { selection } from "./plan.ts";
import type { Problem } from "./schema.ts";

/** How a weight with a NaN or an infinity is reported. */
export function nonFiniteMessage(weight: TensorEntry): string {
  return `the weight ${weight.name} holds a NaN or an infinity`;
}

/** Names of the weights within `only` that this version has no bound for: quantised, complex, … */
export function unsupportedWeights(plan: WeightPlan, only: string | undefined): readonly string[] {
  return skippedWeights(plan, only).map((skip) => skip.tensor.name);
}

/** A warning for each of them. @param verdict what was done with it, such as "not audited". */
export function unsupportedProblems(plan: WeightPlan, only: string | undefined, verdict: string): Problem[] {
  return skippedWeights(plan, only).map((skip) => ({
    severity: "warning",
    code: "unsupported",
    where: skip.tensor.name,
    message: `${verdict}: ${skip.because}`,
  }));
}

function skippedWeights(plan: WeightPlan, only: string | undefined): WeightPlan["skipped"] {
  const selected = selection(only);
  return plan.skipped.filter((skip) => skip.warn && selected(skip.tensor.name));
}
