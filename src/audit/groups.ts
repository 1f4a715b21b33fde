import type { Model, TensorEntry } from "../formats/model.ts";
import type { WeightPlan, WeightUse } from "../network/use.ts";
import { UsageError } from "./errors.ts";
import { overlapsPartly, StorageKeys } from "./storage.ts";

/** One stored weight: every name it goes by and every use made of it. Changing it changes them all. */
export interface WeightGroup {
  readonly entries: readonly TensorEntry[];
  readonly uses: readonly WeightUse[];
}

/** The stored weights behind the selected uses, each with all of its uses, selected or not. */
export function weightGroups(
  model: Model,
  plan: WeightPlan,
  selected: readonly WeightUse[],
): readonly WeightGroup[] {
  const keys = new StorageKeys();
  const wanted = new Set(selected.map((use) => keys.keyOf(use.weight)));
  const groups = [...wanted].map((key) => ({
    entries: model.tensors.filter((entry) => keys.keyOf(entry) === key),
    uses: plan.uses.filter((use) => keys.keyOf(use.weight) === key),
  }));
  for (const group of groups) refusePartialOverlap(group, model);
  return groups;
}

/** @throws UsageError where writing one tensor would change part of another. */
function refusePartialOverlap(group: WeightGroup, model: Model): void {
  const [first] = group.entries;
  const other = first && model.tensors.find((entry) => overlapsPartly(entry, first));
  if (first === undefined || other === undefined) return;
  throw new UsageError(
    `${first.name} and ${other.name} share part of their stored numbers, so neither can be changed alone`,
    "Leave both out with --only.",
  );
}
