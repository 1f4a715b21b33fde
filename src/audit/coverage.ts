import type { Model, TensorEntry } from "../formats/model.ts";
import { storedTensor } from "../network/derived.ts";
import type { WeightPlan } from "../network/use.ts";
import { product } from "./content.ts";
import type { AuditReport } from "./schema.ts";
import { StorageKeys } from "./storage.ts";

/** Stored numbers of a model; tied weights count once, those packed into bytes each on its own. */
export function parameterCount(model: Model, plan: WeightPlan): number {
  return countElements(model.tensors, plan);
}

/**
 * Of all tensors, those whose part in the network's steepness is known: a weight with a bound, or a tensor that is
 * no linear operator (a bias moves outputs but stretches nothing).
 */
export function coverage(
  model: Model,
  plan: WeightPlan,
  audited: ReadonlySet<TensorEntry>,
  unaudited: readonly string[],
): AuditReport["coverage"] {
  const harmless = new Set(plan.skipped.filter((skip) => !skip.warn).map((skip) => skip.tensor));
  const covered = model.tensors.filter((entry) => audited.has(entry) || harmless.has(entry));
  return {
    tensors: [covered.length, model.tensors.length],
    parameters: [countElements(covered, plan), countElements(model.tensors, plan)],
    unaudited,
  };
}

function countElements(entries: readonly TensorEntry[], plan: WeightPlan): number {
  const keys = new StorageKeys();
  const used = new Map(plan.uses.map(({ weight }) => [storedTensor(weight), weight]));
  const counts = new Map(
    entries.map((entry) => [keys.keyOf(entry), product((used.get(entry) ?? entry).shape)]),
  );
  return [...counts.values()].reduce((a, b) => a + b, 0);
}
