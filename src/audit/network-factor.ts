import type { WeightPlan, WeightUse } from "../network/use.ts";
import type { Content } from "./content.ts";
import { UsageError } from "./errors.ts";
import { formatUpper } from "./format-number.ts";
import type { WeightGroup } from "./groups.ts";
import { sigmaReport } from "./layer.ts";
import { networkReport, type SigmaOf } from "./network.ts";
import { scaledContent } from "./scaled.ts";
import type { NetworkReport } from "./schema.ts";
import {
  ATTEMPTS,
  type Change,
  type GroupMeasurement,
  measureGroup,
  roundingOf,
  type ShrinkContext,
  vanished,
  vanishedMessage,
} from "./shrink.ts";

/** σ of the uses in some measured groups. */
export function sigmasOf(groups: readonly WeightGroup[], measured: readonly GroupMeasurement[]): SigmaOf {
  const known = new Map(
    groups.flatMap((group, g) =>
      group.uses.map((use, i) => [use, measured[g]!.measurements[i]!.sigma] as const),
    ),
  );
  return (use) => {
    const sigma = known.get(use) ?? null;
    return sigma === null ? null : sigmaReport(sigma);
  };
}

/** The network's bound from measured groups; null without a graph. */
export function boundOf(
  context: ShrinkContext,
  plan: WeightPlan,
  groups: readonly WeightGroup[],
  measured: readonly GroupMeasurement[],
): NetworkReport["lipschitz"] {
  return networkReport(plan, sigmasOf(groups, measured), context.settings.guarantee).lipschitz;
}

/** What `--network` does: one factor for every scalable weight so that the chain's bound comes to `limit`. */
export interface NetworkTarget {
  readonly limit: number;
  /** Only when the bound is above the limit (`cap`). */
  readonly onlyDown: boolean;
}

/**
 * @param fixed weights of the chain that are measured but not changed.
 * @throws UsageError when the network has no finite bound.
 */
export async function scaleNetwork(
  context: ShrinkContext,
  plan: WeightPlan,
  scalable: readonly WeightGroup[],
  fixed: readonly WeightGroup[],
  target: NetworkTarget,
): Promise<Change[]> {
  const groups = [...scalable, ...fixed];
  const before = await measureGroups(context, groups, (group) => group.entries[0]!, 0);
  const bound = boundOf(context, plan, groups, before).upper;
  if (bound === null) throw unbounded();
  const stays = groups.map((group, g) => unchanged(group, before[g]!));
  if (bound === 0 || (target.onlyDown && bound <= target.limit)) return stays;
  const power = timesInChain(plan, scalable);
  if (power === 0) throw new UsageError("none of the selected weights is part of the network's chain");
  let reached: number | null = bound;
  let factor = root(target.limit / bound, power) * (1 - 1e-9);
  for (let attempt = 1; attempt < ATTEMPTS && factor > 0 && Number.isFinite(factor); attempt++) {
    const contentOf = (group: WeightGroup) =>
      scaledContent(group.entries[0]!, factor, roundingOf(group, attempt));
    const after = await measureGroups(context, scalable, contentOf, attempt);
    reached = boundOf(context, plan, groups, [...after, ...before.slice(scalable.length)]).upper;
    if (reached === null) break;
    const lost = scalable.map((_, g) => vanished(before[g]!, after[g]!));
    if (lost.includes(true)) {
      return stays.map((change, g) =>
        lost[g] ? { ...change, failure: vanishedMessage(change.group.entries[0]!) } : change,
      );
    }
    if (reached <= target.limit) {
      const changes = scalable.map((group, g) => ({
        group,
        before: before[g]!,
        after: after[g]!,
        content: contentOf(group),
        factor,
        warnings: warningsOf(before[g]!, factor),
      }));
      return [...changes, ...stays.slice(scalable.length)];
    }
    factor *= root(target.limit / reached, power) * (1 - 1e-6 * 4 ** attempt);
  }
  const got = reached === null ? "elements overflow" : `the last try had the bound ${formatUpper(reached)}`;
  const failure = `no common factor brings the network's bound under ${target.limit} after rounding: ${got}`;
  return stays.map((change) => ({ ...change, failure }));
}

async function measureGroups(
  context: ShrinkContext,
  groups: readonly WeightGroup[],
  contentOf: (group: WeightGroup) => Content,
  attempt: number,
): Promise<GroupMeasurement[]> {
  const measured: GroupMeasurement[] = [];
  for (const group of groups) {
    context.settings.signal?.throwIfAborted();
    measured.push(await measureGroup(context, group, contentOf(group), attempt));
  }
  return measured;
}

function warningsOf(before: GroupMeasurement, factor: number): string[] {
  if (before.upper === 0) return ["the weight is zero and stays zero"];
  return factor > 1 ? ["the network's bound is below the limit, so its layers are raised"] : [];
}

function unchanged(group: WeightGroup, before: GroupMeasurement): Change {
  return { group, before, after: before, factor: 1, warnings: [] };
}

function unbounded(): UsageError {
  return new UsageError(
    "--network needs a finite bound of the whole network, and this one has none",
    "Run lipschitz audit to see why, or limit every layer with --to.",
  );
}

/** How often the scalable weights occur in the chain: the power of the factor in the product. */
function timesInChain(plan: WeightPlan, scalable: readonly WeightGroup[]): number {
  const uses = new Set<WeightUse>(scalable.flatMap((group) => group.uses));
  return (plan.chain ?? []).filter((step) => "use" in step.factor && uses.has(step.factor.use)).length;
}

function root(x: number, power: number): number {
  return Math.exp(Math.log(x) / power);
}
