import { propagate } from "../network/propagate.ts";
import type { GraphPlan, WeightPlan, WeightUse } from "../network/use.ts";
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

/** The network's bound from measured groups; none without a graph. */
export function boundOf(
  context: ShrinkContext,
  plan: WeightPlan,
  groups: readonly WeightGroup[],
  measured: readonly GroupMeasurement[],
): NetworkReport["lipschitz"] {
  const { guarantee } = context.settings;
  if (plan.graph === null) return { lower: 0, upper: null, guarantee, method: "product" };
  return networkReport(plan.graph, sigmasOf(groups, measured), guarantee).lipschitz;
}

/** Doublings and halvings tried for a factor: 2⁶⁴ is further than any network's norms are from a limit. */
const MOST_DOUBLINGS = 64;

/** What `--network` does: one factor for every scalable weight so that the network's bound comes to `limit`. */
export interface NetworkTarget {
  readonly limit: number;
  /** Only when the bound is above the limit (`cap`). */
  readonly onlyDown: boolean;
}

/**
 * @param fixed weights of the network that are measured but not changed.
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
  const power = mostOnAWay(plan, scalable);
  if (power === 0)
    throw new UsageError("none of the selected weights lies between the network's input and output");
  const predicted = boundAt(plan.graph!, scalable, sigmasOf(groups, before));
  const floor = predicted(0);
  if (floor > target.limit) {
    const failure = `without the selected layers the network's bound is still ${formatUpper(floor)}, above ${target.limit}`;
    return stays.map((change) => ({ ...change, failure }));
  }
  let reached: number | null = bound;
  let factor = factorFor(predicted, target.limit, root(target.limit / bound, power));
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

/** The network's bound as it would be with every scalable weight multiplied by a factor. */
function boundAt(
  graph: GraphPlan,
  scalable: readonly WeightGroup[],
  sigmaOf: SigmaOf,
): (factor: number) => number {
  const own = new Set<WeightUse>(scalable.flatMap((group) => group.uses));
  return (factor) => {
    const { upper } = propagate(graph, (use) => {
      const sigma = sigmaOf(use)?.upper ?? undefined;
      return sigma !== undefined && own.has(use) ? sigma * factor : sigma;
    });
    return upper ?? Number.POSITIVE_INFINITY;
  };
}

/**
 * The factor that brings the bound to the limit. Along a chain it is `first`; where ways with different numbers of
 * weights meet, the bound is no power of the factor, but it grows with it.
 */
function factorFor(predicted: (factor: number) => number, limit: number, first: number): number {
  let low = first * (1 - 1e-9);
  let high = low;
  for (let k = 0; k < MOST_DOUBLINGS && predicted(low) > limit; k++) low /= 2;
  for (let k = 0; k < MOST_DOUBLINGS && predicted(high) <= limit; k++) high *= 2;
  while (high > low * (1 + 1e-9)) {
    const middle = (low + high) / 2;
    if (predicted(middle) <= limit) low = middle;
    else high = middle;
  }
  return low;
}

/** Most scalable weights on one way through the graph: the power of the factor in the product. */
function mostOnAWay(plan: WeightPlan, scalable: readonly WeightGroup[]): number {
  const uses = new Set<WeightUse>(scalable.flatMap((group) => group.uses));
  const counts = new Map<string, number>();
  for (const node of plan.graph?.nodes ?? []) {
    const own = node.steps.filter((step) => "use" in step.factor && uses.has(step.factor.use)).length;
    const before = node.takes.reduce((most, key) => Math.max(most, counts.get(key) ?? 0), 0);
    for (const key of node.gives) counts.set(key, before + own);
  }
  return (plan.graph?.outputs ?? []).reduce((most, key) => Math.max(most, counts.get(key) ?? 0), 0);
}

function root(x: number, power: number): number {
  return Math.exp(Math.log(x) / power);
}
