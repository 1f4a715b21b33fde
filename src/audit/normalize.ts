import type { Model, TensorEntry } from "../formats/model.ts";
import type { WeightPlan } from "../network/use.ts";
import type { Content } from "./content.ts";
import { type Engine, loadEngine } from "./engine.ts";
import { PromiseError, UsageError } from "./errors.ts";
import { isDerivedGroup, refuseSources, type WeightGroup, weightGroups } from "./groups.ts";
import { scaleNetwork } from "./network-factor.ts";
import { checkNormalizeOptions, onlyDerived, refuseClippedConvolutions } from "./normalize-options.ts";
import { normalizeReport } from "./normalize-report.ts";
import type { Normalization, NormalizeOptions } from "./normalize-schema.ts";
import { checkOutputName } from "./output-name.ts";
import { planModel, selectUses } from "./plan.ts";
import type { Preserved } from "./preserve.ts";
import { settle } from "./settings.ts";
import { type Change, type NormalizeMethod, type ShrinkContext, shrinkGroup } from "./shrink.ts";
import { certifyAndPlace } from "./written.ts";

export type {
  Normalization,
  NormalizedLayer,
  NormalizeOptions,
  NormalizeProgress,
  NormalizeReport,
} from "./normalize-schema.ts";

/** Bounds this close together leave room for the promise after rounding. */
const GAP = 1e-4;

/**
 * Brings the steepness of a model's weights to a target, certified after rounding to the file's own types.
 * A promise that cannot be kept is reported (`kept: false`), not thrown.
 * @throws UsageError for options that exclude each other or the model; `signal.reason` when aborted.
 */
export async function normalize(model: Model, options: NormalizeOptions = {}): Promise<Normalization> {
  return normalizePlan(await loadEngine(), model, await planModel(model, options), options);
}

/** As `normalize`, with the model's plan and the numerical engine given. */
export async function normalizePlan(
  engine: Engine,
  model: Model,
  plan: WeightPlan,
  options: NormalizeOptions = {},
): Promise<Normalization> {
  const method = options.method ?? "divide";
  checkNormalizeOptions(options, method);
  const settings = { ...settle(options), gap: options.gap ?? GAP };
  const selected = weightGroups(model, plan, selectUses(plan, options.only));
  const groups = selected.filter((group) => !isDerivedGroup(group));
  const derived = selected.filter(isDerivedGroup).flatMap((group) => group.uses);
  if (options.network !== undefined && groups.length === 0 && derived.length > 0) throw onlyDerived();
  refuseSources(groups, plan);
  refuseClippedConvolutions(groups, method);
  // What runs networks is loaded only where they are run.
  const running =
    options.preserve || options.data !== undefined ? await import("./written-outputs.ts") : null;
  const original = running && (await running.runnableOriginal(model, options, settings.memory));
  const fixed = options.network === undefined ? [] : unselected(model, plan, groups);
  const progress = progressOver([...groups, ...fixed], options);
  const context: ShrinkContext = {
    engine,
    settings,
    indexOf: (use) => plan.uses.indexOf(use),
    keepBytes: settings.memory / 2,
    attemptChances: new Map(),
    onBytes: progress.onBytes,
  };
  const shrunk =
    options.network === undefined
      ? await shrinkAll(context, groups, options.to ?? 1, method, progress.start)
      : await scaleNetwork(context, plan, groups, fixed, {
          limit: options.network,
          onlyDown: method === "cap",
        });
  const { changes, preserved } = options.preserve
    ? await preservedChanges(context, model, shrunk, groups, options)
    : { changes: shrunk, preserved: null };
  const report = normalizeReport(context, model, plan, { changes, preserved, derived, options, method });
  const contents = contentsOf(changes, preserved);
  return {
    report,
    content: (entry) => contents.get(entry) ?? null,
    write: async (outPath) => {
      checkOutputName(outPath, model.format);
      if (!report.kept) throw new PromiseError("the promise is not kept, so nothing is written");
      const inspection = original && running?.inspectionOf(original, contents, preserved, context, options);
      const { to = 1, network: limit, inputs } = options;
      const claim = { changes, to, network: limit, inputs, inspect: inspection?.inspect };
      await certifyAndPlace(context, model, plan, contents, claim, outPath, options.onProgress);
      const written = { ...report, output: outPath };
      return inspection?.completed(written) ?? written;
    },
  };
}

async function preservedChanges(
  context: ShrinkContext,
  model: Model,
  changes: readonly Change[],
  groups: readonly WeightGroup[],
  { network, to = 1, method, inputs }: NormalizeOptions,
): Promise<{ readonly changes: readonly Change[]; readonly preserved: Preserved | null }> {
  const { preserveOutputs } = await import("./preserve.ts");
  return preserveOutputs(context, model, changes, {
    groups: new Set(groups),
    to: network === undefined ? to : undefined,
    method: method === "cap" ? "cap" : "divide",
    inputs,
  });
}

/** New elements of every changed tensor. */
function contentsOf(
  changes: readonly Change[],
  preserved: Preserved | null,
): ReadonlyMap<TensorEntry, Content> {
  return new Map<TensorEntry, Content>([
    ...changes.flatMap(({ group, content }) =>
      content === undefined ? [] : group.entries.map((entry) => [entry, content] as const),
    ),
    ...(preserved?.contents ?? []),
  ]);
}

/** Weights of the network outside the selection: measured, not changed. */
function unselected(model: Model, plan: WeightPlan, groups: readonly WeightGroup[]): readonly WeightGroup[] {
  const taken = new Set(groups.flatMap((group) => group.uses));
  const rest = (plan.graph?.nodes ?? []).flatMap((node) =>
    node.steps.flatMap(({ factor }) => ("use" in factor ? [factor.use] : [])),
  );
  return weightGroups(
    model,
    plan,
    rest.filter((use) => !taken.has(use)),
  );
}

async function shrinkAll(
  context: ShrinkContext,
  groups: readonly WeightGroup[],
  to: number,
  method: NormalizeMethod,
  start: (index: number) => void,
): Promise<Change[]> {
  const changes: Change[] = [];
  for (const [index, group] of groups.entries()) {
    context.settings.signal?.throwIfAborted();
    start(index);
    changes.push(await shrinkOrFail(context, group, to, method));
  }
  return changes;
}

/** A weight that cannot be read breaks the promise; the others are still tried, so that all problems are seen. */
async function shrinkOrFail(
  context: ShrinkContext,
  group: WeightGroup,
  to: number,
  method: NormalizeMethod,
): Promise<Change> {
  try {
    return await shrinkGroup(context, group, to, method);
  } catch (error) {
    context.settings.signal?.throwIfAborted();
    if (error instanceof UsageError) throw error;
    const failure = error instanceof Error ? error.message : String(error);
    const unknown = { measurements: [], attempt: 0, upper: null, lower: 0 };
    return { group, before: unknown, after: unknown, factor: 1, warnings: [], failure };
  }
}

/** Each weight is read twice when all goes well: as it was, and as it will be written. */
function progressOver(
  groups: readonly WeightGroup[],
  options: NormalizeOptions,
): { readonly start: (index: number) => void; readonly onBytes: (bytes: number) => void } {
  const sizes = groups.map((group) => 2 * group.uses.length * group.entries[0]!.byteLength);
  const totalBytes = sizes.reduce((a, b) => a + b, 0);
  let index = 0;
  let before = 0;
  let done = 0;
  const report = () => {
    const bytes = Math.min(totalBytes, before + done);
    const layer = groups[index]?.uses[0]?.name ?? "";
    options.onProgress?.({ phase: "measuring", layer, index, count: groups.length, bytes, totalBytes });
  };
  return {
    start: (next) => {
      index = next;
      before = sizes.slice(0, next).reduce((a, b) => a + b, 0);
      done = 0;
      report();
    },
    onBytes: (bytes) => {
      done += bytes;
      report();
    },
  };
}
