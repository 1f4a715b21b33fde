import type { Model, TensorEntry } from "../formats/model.ts";
import { isDerived, sourceTensors } from "../network/derived.ts";
import type { WeightPlan, WeightUse } from "../network/use.ts";
import { UsageError } from "./errors.ts";
import { overlapsPartly, StorageKeys } from "./storage.ts";

/**
 * One stored weight: every name it goes by and every use made of it. Changing it changes them all. The entry of a
 * weight that is computed from what is stored can be measured and not changed.
 */
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
  const groups = [...wanted].map((key) => {
    const uses = plan.uses.filter((use) => keys.keyOf(use.weight) === key);
    const entries = model.tensors.filter((entry) => keys.keyOf(entry) === key);
    return { entries: entries.length > 0 ? entries : [uses[0]!.weight], uses };
  });
  for (const group of groups) refusePartialOverlap(group, model);
  return groups;
}

/** True when the weight is computed from what is stored, so that a factor of its own cannot be written. */
export function isDerivedGroup(group: WeightGroup): boolean {
  return group.uses.some((use) => isDerived(use.weight));
}

/**
 * @throws UsageError where writing one of the groups would change a weight that is computed from it.
 */
export function refuseSources(groups: readonly WeightGroup[], { uses }: WeightPlan): void {
  const keys = new StorageKeys();
  for (const { weight, name } of uses) {
    if (!isDerived(weight)) continue;
    const sources = new Set(sourceTensors(weight).map((tensor) => keys.keyOf(tensor)));
    const shared = groups.flatMap(({ entries }) => entries).find((entry) => sources.has(keys.keyOf(entry)));
    if (shared === undefined) continue;
    throw new UsageError(
      `${shared.name} is a weight itself, and the weight of ${name} is computed from it, so it cannot be changed alone`,
      `Leave ${shared.name} out with --only.`,
    );
  }
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
