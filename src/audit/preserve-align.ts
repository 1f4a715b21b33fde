import type { TensorEntry } from "../formats/model.ts";
import type { Rescaling } from "../network/homogeneity.ts";
import { BranchesDiffer, balance } from "../network/homogeneity-branches.ts";
import { labelOf, type SignalGraph } from "../network/homogeneity-graph.ts";
import { NotHomogeneous, type Obstacle } from "../network/homogeneity-visit.ts";
import { UsageError } from "./errors.ts";
import { formatInterval, formatNumber } from "./format-number.ts";
import type { WeightGroup } from "./groups.ts";
import { scaledContent } from "./scaled.ts";
import {
  ATTEMPTS,
  type Change,
  measureGroup,
  roundingOf,
  type ShrinkContext,
  vanished,
  vanishedMessage,
} from "./shrink.ts";

/** Changes under which the network's outputs are multiplied by known numbers. */
export interface Aligned {
  readonly changes: readonly Change[];
  /** Absent where a change keeps no promise. */
  readonly rescaling?: Rescaling;
}

/** What alignment may do. */
export interface AlignOptions {
  /** Weights that were selected; others stay as they are. */
  readonly groups: ReadonlySet<WeightGroup>;
  /** Every layer's limit; where the network has one instead, no layer's σ may rise. */
  readonly to: number | undefined;
  readonly method: "divide" | "cap";
}

/**
 * Follows the factors of changed weights through the network. Where branches meet that would be multiplied by
 * different numbers, the last weights of the higher one are lowered and measured again.
 * @throws UsageError where the network's outputs cannot be multiples of the old ones.
 */
export async function alignChanges(
  context: ShrinkContext,
  graph: SignalGraph,
  changes: readonly Change[],
  options: AlignOptions,
): Promise<Aligned> {
  const aligned = [...changes];
  for (;;) {
    if (aligned.some((change) => change.failure !== undefined)) return { changes: aligned };
    const { rescaling, lowered } = balanced(graph, aligned, options);
    if (lowered.size === 0) return { changes: aligned, rescaling };
    for (const [tensor, { by, join }] of lowered) {
      context.settings.signal?.throwIfAborted();
      const at = aligned.findIndex(({ group }) => group.entries.includes(tensor));
      aligned[at] = await lower(context, aligned[at]!, by, join, options.to);
    }
  }
}

function balanced(graph: SignalGraph, changes: readonly Change[], options: AlignOptions) {
  const owners = new Map<TensorEntry, Change>(
    changes.flatMap((change) => change.group.entries.map((entry) => [entry, change] as const)),
  );
  const canLower = (tensor: TensorEntry) => {
    const owner = owners.get(tensor);
    if (owner === undefined || !options.groups.has(owner.group)) return false;
    return owner.group.entries.length === 1 && owner.group.uses.length === 1 && owner.before.upper !== 0;
  };
  try {
    return balance(graph, (tensor) => owners.get(tensor)?.factor ?? 1, canLower);
  } catch (error) {
    if (error instanceof NotHomogeneous) throw stopped(error, graph);
    if (error instanceof BranchesDiffer) throw differing(error, options);
    throw error;
  }
}

/** The change with a smaller factor, measured again; attempts go on counting where the search ended. */
async function lower(
  context: ShrinkContext,
  change: Change,
  by: number,
  join: string,
  to: number | undefined,
): Promise<Change> {
  const { group, before } = change;
  const entry = group.entries[0]!;
  const limit = to ?? change.after.upper ?? 0;
  let factor = change.factor! * by;
  const start = change.after.attempt + 1;
  for (let attempt = start; attempt < ATTEMPTS && factor > 0; attempt++) {
    const content = scaledContent(entry, factor, roundingOf(group, attempt));
    const after = await measureGroup(context, group, content, attempt);
    if (vanished(before, after)) return { ...change, failure: vanishedMessage(entry) };
    if (after.upper === null) break;
    if (after.upper <= limit) {
      const ends = formatInterval(after.lower, after.upper);
      const instead = change.factor === 1 ? "staying as it is" : formatNumber(change.factor!);
      const warning =
        `multiplied by ${formatNumber(factor)} instead of ${instead}, so that the branches of ${join} are ` +
        `multiplied alike: its σ ends at ${ends}`;
      return { group, before, after, content, factor, warnings: [warning] };
    }
    factor *= (limit / after.upper) * (1 - 5e-5 * 2 ** (attempt - start));
  }
  return { ...change, failure: `lowered for the branches of ${join}, it was not measured below ${limit}` };
}

/** What to try where a node stands in the way. */
const ADVICE: Readonly<Record<Obstacle, string>> = {
  operator: "Name layers behind it with --only, so that nothing before it changes, or do without --preserve.",
  constant: "Fold constants into stored tensors first, or do without --preserve.",
  attribute:
    "Convert the model to operator set 11 or later, where it is a stored tensor, or do without --preserve.",
};

function stopped({ step, because, obstacle }: NotHomogeneous, graph: SignalGraph): UsageError {
  const { opType } = step.node;
  const last = graph.outputs.some(
    ({ operand }) => operand.kind === "signal" && step.gives.includes(operand.key),
  );
  if (last && (opType === "Softmax" || opType === "LogSoftmax")) {
    return new UsageError(
      `--preserve stops at ${labelOf(step)}, which gives the network's output: ${because}`,
      "Cut the softmax off the model: the largest class stays the same. Or do without --preserve.",
    );
  }
  return new UsageError(`--preserve stops at ${labelOf(step)}: ${because}`, ADVICE[obstacle]);
}

function differing(error: BranchesDiffer, { method, to }: AlignOptions): UsageError {
  const { join, low, high, because, layers } = error;
  const branch = ({ key, from, scale }: typeof low) =>
    `"${key}" (from ${from}), multiplied by ${formatNumber(scale)}`;
  const they = layers.length === 1 ? "it" : "they";
  const leave =
    layers.length === 0
      ? "Change other layers only (--only)"
      : `Leave ${layers.join(" and ")} as ${they} ${they === "it" ? "is" : "are"}: name the other layers with --only`;
  const cap = method === "divide" ? ", or try --method cap, which leaves layers below --to alone" : "";
  const raise = method === "cap" ? ", or raise --to above their norms" : "";
  return new UsageError(
    `--preserve stops at ${join}: it joins ${branch(low)}, and ${branch(high)}; these numbers must agree, and ` +
      because,
    `${leave}${to === undefined ? "" : cap + raise}.`,
  );
}
