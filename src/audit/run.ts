import type { Model, TensorEntry } from "../formats/model.ts";
import { storedTensor } from "../network/derived.ts";
import type { WeightPlan, WeightUse } from "../network/use.ts";
import { VERSION } from "../version.ts";
import { coverage, parameterCount } from "./coverage.ts";
import { type Engine, loadEngine } from "./engine.ts";
import { UsageError } from "./errors.ts";
import type { Interval, IntervalOptions } from "./interval.ts";
import { layerReport } from "./layer.ts";
import { measureStored, type Outcome, scaleMeasurement, unionBound } from "./measure.ts";
import { missingBoundReason, networkReport, type SigmaOf } from "./network.ts";
import { planModel, selectUses } from "./plan.ts";
import { nonFiniteMessage, unsupportedProblems, unsupportedWeights } from "./problems.ts";
import type { AuditReport, LayerReport, Problem } from "./schema.ts";
import { deriveSeed } from "./seeds.ts";
import { analyzeOptions, type CommonOptions, type Settings, settle } from "./settings.ts";
import { StorageKeys } from "./storage.ts";

/** Where a long computation is. */
export interface AuditProgress {
  /** The layer being worked on, or "the whole network" after the last. */
  readonly layer: string;
  /** Its place, from 0, among `count` layers. */
  readonly index: number;
  /** How many layers there are in all. */
  readonly count: number;
  /** Bytes of weights done so far. */
  readonly bytes: number;
  /** Bytes of all weights that will be read. */
  readonly totalBytes: number;
}

/** How a model is audited. */
export interface AuditOptions extends CommonOptions, IntervalOptions {
  /** How many leading singular values to list per layer, default 0. */
  readonly spectrum?: number | undefined;
  /** Called as weights are read, many times per layer. */
  readonly onProgress?: ((progress: AuditProgress) => void) | undefined;
}

/**
 * Bounds of σ₁ for every weight operator of a model, and of the whole network where it is a chain. One weight at a
 * time is in memory. A weight that cannot be read gets `sigma: null` and a problem; the others are still audited.
 * @throws UsageError for options out of range or an `only` that matches nothing; `signal.reason` when aborted.
 */
export async function audit(model: Model, options: AuditOptions = {}): Promise<AuditReport> {
  return auditPlan(await loadEngine(), model, await planModel(model, options), options);
}

/** As `audit`, with the model's plan and the numerical engine given. */
export async function auditPlan(
  engine: Engine,
  model: Model,
  plan: WeightPlan,
  options: AuditOptions = {},
): Promise<AuditReport> {
  const settings = settle(options);
  const uses = selectUses(plan, options.only);
  const outcomes = await measureAll(engine, uses, settings, options);
  const layers = uses.map((use, i) => layerReport(use, outcomes[i]!));
  const sigmas = new Map(uses.map((use, i) => [use, layers[i]!.sigma]));
  const interval = await intervalOf(model, plan, (use) => sigmas.get(use) ?? null, settings, options);
  const network = interval?.network ?? null;
  const gap = network === null ? null : missingBoundReason(plan.graph!, network);
  const problems = [
    ...model.warnings.map(({ where, message }) => ({ severity: "warning" as const, where, message })),
    ...unsupportedProblems(plan, options.only, "not audited"),
    ...uses.flatMap((use, i) => layerProblems(use, outcomes[i]!)),
    ...(gap === null ? [] : [{ severity: "warning" as const, where: "network", message: gap }]),
  ];
  return {
    schema: "lipschitz.audit/1",
    model: {
      files: model.sources.map((source) => source.name),
      format: model.format,
      bytes: model.sources.reduce((sum, source) => sum + source.byteLength, 0),
      parameters: parameterCount(model, plan),
    },
    settings: settingsReport(settings, options, outcomes, interval?.failureProbability ?? 0),
    coverage: coverage(model, plan, auditedTensors(uses, layers), unauditedNames(plan, options.only, layers)),
    layers,
    network,
    problems,
  };
}

function totalBytes(uses: readonly WeightUse[]): number {
  return uses.reduce((sum, use) => sum + use.weight.byteLength, 0);
}

/** The network's interval; null without a graph. */
async function intervalOf(
  model: Model,
  plan: WeightPlan,
  sigmaOf: SigmaOf,
  settings: Settings,
  options: AuditOptions,
): Promise<Interval | null> {
  const { graph } = plan;
  if (graph === null) {
    if (options.data === undefined && options.around === undefined) return null;
    throw new UsageError(`a ${model.format} file has no graph, so no points can be run through it`);
  }
  const byRules = networkReport(graph, sigmaOf, settings.guarantee);
  const [count, bytes] = [plan.uses.length, totalBytes(plan.uses)];
  options.onProgress?.({ layer: "the whole network", index: count, count, bytes, totalBytes: bytes });
  const { networkInterval } = await import("./interval.ts");
  return networkInterval(model, graph, byRules, sigmaOf, settings, options.inputs, options);
}

async function measureAll(
  engine: Engine,
  uses: readonly WeightUse[],
  settings: Settings,
  options: AuditOptions,
): Promise<Outcome[]> {
  const keys = new StorageKeys();
  const ids = uses.map((use) => `${keys.keyOf(use.weight)} ${use.operator} ${JSON.stringify(use.layout)}`);
  const firsts = uses.filter((_, i) => ids.indexOf(ids[i]!) === i);
  const wholeBytes = totalBytes(firsts);
  const known = new Map<string, Outcome>();
  const outcomes: Outcome[] = [];
  let before = 0;
  for (const [index, use] of uses.entries()) {
    settings.signal?.throwIfAborted();
    const id = ids[index]!;
    const shared = known.get(id);
    if (shared === undefined) {
      const report = (bytes: number) =>
        options.onProgress?.({ layer: use.name, index, count: uses.length, bytes, totalBytes: wholeBytes });
      known.set(id, await measureOne(engine, use, index, settings, options.spectrum ?? 0, before, report));
      before += use.weight.byteLength;
      report(before);
    }
    outcomes.push(shared === undefined ? known.get(id)! : { ...shared, fresh: false });
  }
  return outcomes.map((outcome, i) => withScale(outcome, uses[i]!.scale ?? 1));
}

async function measureOne(
  engine: Engine,
  use: WeightUse,
  index: number,
  settings: Settings,
  spectrum: number,
  before: number,
  report: (bytes: number) => void,
): Promise<Outcome> {
  let done = 0;
  report(before);
  try {
    const measurement = await measureStored(engine, use, use.weight, {
      ...analyzeOptions(settings, deriveSeed(settings.seed, index)),
      spectrum,
      onProgress: (bytes) => {
        done = Math.min(done + bytes, use.weight.byteLength);
        report(before + done);
      },
    });
    return { measurement, fresh: true };
  } catch (error) {
    settings.signal?.throwIfAborted();
    return { failure: error instanceof Error ? error.message : String(error), fresh: true };
  }
}

function withScale(outcome: Outcome, scale: number): Outcome {
  return "failure" in outcome
    ? outcome
    : { ...outcome, measurement: scaleMeasurement(outcome.measurement, scale) };
}

function settingsReport(
  settings: Settings,
  options: AuditOptions,
  outcomes: readonly Outcome[],
  ofInterval: number,
): AuditReport["settings"] {
  const { guarantee, seed, threads, gap, memory } = settings;
  const failure = outcomes.reduce(
    (sum, outcome) =>
      "failure" in outcome || !outcome.fresh ? sum : unionBound(sum, outcome.measurement.failureProbability),
    ofInterval,
  );
  return {
    guarantee,
    failureProbability: guarantee === "estimate" ? null : failure,
    seed: seed.toString(),
    threads,
    version: VERSION,
    memory,
    ...(gap === undefined ? {} : { gap }),
    ...(options.only === undefined ? {} : { only: options.only }),
    ...(options.inputs === undefined ? {} : { inputs: options.inputs }),
  };
}

function layerProblems(use: WeightUse, outcome: Outcome): Problem[] {
  const base = { severity: "error", where: use.name } as const;
  if ("failure" in outcome) return [{ ...base, code: "unreadable", message: outcome.failure }];
  if (outcome.measurement.finite) return [];
  return [{ ...base, code: "not-finite", message: nonFiniteMessage(use.weight, use.name) }];
}

function auditedTensors(uses: readonly WeightUse[], layers: readonly LayerReport[]): Set<TensorEntry> {
  const failed = new Set(
    uses.filter((_, i) => layers[i]!.sigma === null).map((use) => storedTensor(use.weight)),
  );
  return new Set(uses.map((use) => storedTensor(use.weight)).filter((weight) => !failed.has(weight)));
}

/** Weights within `only` that have no bound, so that no gate can pass over them. */
function unauditedNames(
  plan: WeightPlan,
  only: string | undefined,
  layers: readonly LayerReport[],
): string[] {
  const failed = layers.filter((layer) => layer.sigma === null);
  return [...new Set([...unsupportedWeights(plan, only), ...failed.map((layer) => layer.weight)])];
}
