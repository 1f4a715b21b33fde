import type { Model } from "../formats/model.ts";
import type { WeightPlan, WeightUse } from "../network/use.ts";
import { VERSION } from "../version.ts";
import { sigmaReport } from "./layer.ts";
import { boundOf } from "./network-factor.ts";
import type { NormalizedLayer, NormalizeOptions, NormalizeReport } from "./normalize-schema.ts";
import type { Preserved } from "./preserve.ts";
import { derivedProblems, unsupportedProblems } from "./problems.ts";
import type { Problem } from "./schema.ts";
import { type Change, failureProbability, type NormalizeMethod, type ShrinkContext } from "./shrink.ts";

/** What a report is made from, besides the model and its plan. */
export interface Normalized {
  readonly changes: readonly Change[];
  readonly preserved: Preserved | null;
  /** Uses of weights that were left as they are because they are computed from what is stored. */
  readonly derived: readonly WeightUse[];
  readonly options: NormalizeOptions;
  readonly method: NormalizeMethod;
}

/** The report of a normalization that is not written yet. */
export function normalizeReport(
  context: ShrinkContext,
  model: Model,
  plan: WeightPlan,
  { changes, preserved, derived, options, method }: Normalized,
): NormalizeReport {
  const { guarantee, seed, threads } = context.settings;
  const measured = changes.every((change) => change.before.measurements.length > 0);
  const groups = changes.map((change) => change.group);
  const bounds = (which: "before" | "after") =>
    boundOf(
      context,
      plan,
      measured ? groups : [],
      changes.map((change) => change[which]),
    );
  const unfit = preserved?.problems ?? [];
  const kept = changes.every((change) => change.failure === undefined) && unfit.length === 0;
  return {
    schema: "lipschitz.normalize/1",
    input: model.sources[0]!.name,
    output: null,
    settings: {
      guarantee,
      failureProbability: failureProbability(context),
      seed: seed.toString(),
      threads,
      version: VERSION,
      method,
      to: options.network === undefined ? (options.to ?? 1) : null,
      network: options.network ?? null,
    },
    layers: changes.flatMap(layersOf),
    network: plan.graph === null ? null : { before: bounds("before"), after: bounds("after") },
    ...(kept && preserved !== null ? { preserve: preserved.report } : {}),
    kept,
    problems: [
      ...changes.flatMap(problemsOf),
      ...unfit,
      ...unsupportedProblems(plan, options.only, "left as it is"),
      ...derivedProblems(derived),
    ],
  };
}

function layersOf(change: Change): NormalizedLayer[] {
  const sigma = (which: "before" | "after", i: number) => {
    const bound = change[which].measurements[i]?.sigma ?? null;
    return bound === null ? null : sigmaReport(bound);
  };
  return change.group.uses.map((use, i) => ({
    name: use.name,
    weight: use.weight.name,
    before: sigma("before", i),
    after: sigma("after", i),
    factor: change.factor,
  }));
}

function problemsOf(change: Change): Problem[] {
  const where = change.group.uses[0]!.name;
  return [
    ...change.warnings.map((message) => ({ severity: "warning" as const, where, message })),
    ...(change.failure === undefined ? [] : [{ severity: "error" as const, where, message: change.failure }]),
  ];
}
