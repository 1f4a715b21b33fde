import type { Model, TensorEntry } from "../formats/model.ts";
import type { WeightPlan } from "../network/use.ts";
import { VERSION } from "../version.ts";
import type { Content } from "./content.ts";
import { type Engine, loadEngine } from "./engine.ts";
import { PromiseError, UsageError } from "./errors.ts";
import { isQuantised, type WeightGroup, weightGroups } from "./groups.ts";
import { sigmaReport } from "./layer.ts";
import { boundOf, scaleNetwork } from "./network-factor.ts";
import { checkOutputName } from "./output-name.ts";
import { planModel, selectUses } from "./plan.ts";
import { quantisedProblems, unsupportedProblems } from "./problems.ts";
import type { AuditProgress } from "./run.ts";
import type { NetworkReport, Problem, SigmaReport } from "./schema.ts";
import { type CommonOptions, type Settings, settle } from "./settings.ts";
import {
  type Change,
  failureProbability,
  type NormalizeMethod,
  type ShrinkContext,
  shrinkGroup,
} from "./shrink.ts";
import { type Claim, certifyAndPlace } from "./written.ts";

/** Bounds this close together leave room for the promise after rounding. */
const GAP = 1e-4;

export interface NormalizeOptions extends CommonOptions {
  /** Target C of every layer, default 1. */
  readonly to?: number | undefined;
  /**
   * "divide" (default): every layer's σ becomes C. "cap": only where it is above C. "clip": singular values above C
   * become C, the others stay; dense weights only.
   */
  readonly method?: NormalizeMethod | undefined;
  /** Instead of `to`: one common factor for all layers that brings the network's bound to this. */
  readonly network?: number | undefined;
  /** Called as weights are read and files written, many times per layer. */
  readonly onProgress?: ((progress: NormalizeProgress) => void) | undefined;
}

/** Where normalizing is; bytes and places count within the phase. While writing, `layer` is the file's name. */
export interface NormalizeProgress extends AuditProgress {
  readonly phase: "measuring" | "writing" | "certifying";
}

/** `lipschitz.normalize/1`. */
export interface NormalizeReport {
  readonly schema: "lipschitz.normalize/1";
  /** The model's main file. */
  readonly input: string;
  /** null until written. */
  readonly output: string | null;
  readonly settings: {
    readonly guarantee: Settings["guarantee"];
    /** Chance that any upper bound of any attempt at any layer is too small; 0 at `proof`. */
    readonly failureProbability: number;
    /** The seed as given, or as drawn from the operating system (decimal string). */
    readonly seed: string;
    readonly threads: number;
    /** Of lipschitz. */
    readonly version: string;
    readonly method: NormalizeMethod;
    /** Target of every layer's σ; null where the network had one. */
    readonly to: number | null;
    /** Limit of the network's bound; null where every layer had a target. */
    readonly network: number | null;
  };
  /** One per use of a changed or measured weight; quantised ones stay as they are and are named in `problems`. */
  readonly layers: readonly NormalizedLayer[];
  /** null without a graph; bounds are null where a layer outside `only` was not measured. */
  readonly network: {
    readonly before: NetworkReport["lipschitz"];
    readonly after: NetworkReport["lipschitz"];
  } | null;
  /** True when every promise holds for the rounded numbers. */
  readonly kept: boolean;
  /** Errors say why a promise is not kept. */
  readonly problems: readonly Problem[];
}

/** One use of a weight, before and after. */
export interface NormalizedLayer {
  readonly name: string;
  /** The stored tensor's name. */
  readonly weight: string;
  /** σ in the input file; null where it could not be measured. */
  readonly before: SigmaReport | null;
  /** σ of the numbers as rounded to the file's type; null where it could not be measured. */
  readonly after: SigmaReport | null;
  /** The elements were multiplied by this; null where singular values were clipped. */
  readonly factor: number | null;
}

/** New weights that are known to keep the promise, not written yet. */
export interface Normalization {
  readonly report: NormalizeReport;
  /** New elements of a changed tensor, or null for one that stays. */
  content(entry: TensorEntry): Content | null;
  /**
   * Writes the model (and its shards or external data) under a new name: to a temporary folder beside it, read back
   * and measured again there, then renamed. Nothing appears under the final names unless all of it is right.
   * @returns the report with `output` filled in.
   * @throws UsageError when the name says another format; PromiseError when the promise is not kept; WriteError when the files cannot be written.
   */
  write(outPath: string): Promise<NormalizeReport>;
}

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
  checkOptions(options, method);
  const settings = { ...settle(options), gap: options.gap ?? GAP };
  const uses = selectUses(plan, options.only);
  const selected = weightGroups(model, plan, uses);
  const groups = selected.filter((group) => !isQuantised(group));
  const quantised = selected.filter(isQuantised).flatMap((group) => group.uses);
  if (options.network !== undefined && groups.length === 0 && quantised.length > 0) throw onlyQuantised();
  refuseClippedConvolutions(groups, method);
  const network = options.network === undefined ? [] : unselected(model, plan, groups);
  const all = [...groups, ...network];
  const progress = progressOver(all, options);
  const context: ShrinkContext = {
    engine,
    settings,
    indexOf: (use) => plan.uses.indexOf(use),
    keepBytes: settings.memory / 2,
    attemptChances: new Map(),
    onBytes: progress.onBytes,
  };
  const changes =
    options.network === undefined
      ? await shrinkAll(context, groups, options.to ?? 1, method, progress.start)
      : await scaleNetwork(context, plan, groups, network, {
          limit: options.network,
          onlyDown: method === "cap",
        });
  const changed = reportOf(context, model, plan, changes, options, method);
  const report = { ...changed, problems: [...changed.problems, ...quantisedProblems(quantised)] };
  const contents = new Map(
    changes.flatMap(({ group, content }) =>
      content === undefined ? [] : group.entries.map((entry) => [entry, content] as const),
    ),
  );
  const claim: Claim = { changes, to: options.to ?? 1, network: options.network, inputs: options.inputs };
  return {
    report,
    content: (entry) => contents.get(entry) ?? null,
    write: async (outPath) => {
      checkOutputName(outPath, model.format);
      if (!report.kept) throw new PromiseError("the promise is not kept, so nothing is written");
      await certifyAndPlace(context, model, plan, contents, claim, outPath, options.onProgress);
      return { ...report, output: outPath };
    },
  };
}

function checkOptions(options: NormalizeOptions, method: NormalizeMethod): void {
  const { to, network, guarantee } = options;
  if (guarantee === "estimate") {
    throw new UsageError(
      "an estimate is no upper bound, so nothing could be promised",
      "Use --guarantee probable or proof.",
    );
  }
  for (const [name, value] of [
    ["--to", to],
    ["--network", network],
  ] as const) {
    if (value !== undefined && !(value > 0 && Number.isFinite(value))) {
      throw new UsageError(`${name} must be a positive number, got ${value}`);
    }
  }
  if (network === undefined) return;
  if (to !== undefined) {
    throw new UsageError(
      "--to sets every layer's limit and --network sets the whole network's: give one of them",
    );
  }
  if (method === "clip") {
    throw new UsageError(
      "--network scales all layers by one factor, which clipping does not",
      "Leave out --method clip.",
    );
  }
}

function onlyQuantised(): UsageError {
  return new UsageError(
    "every selected weight is quantised: its integers cannot carry a factor, so the network's bound cannot change",
    "Normalise the model before it is quantised.",
  );
}

function refuseClippedConvolutions(groups: readonly WeightGroup[], method: NormalizeMethod): void {
  if (method !== "clip") return;
  const use = groups.flatMap((group) => group.uses).find(({ layout }) => layout.kind === "convolution");
  if (use === undefined) return;
  throw new UsageError(
    `${use.name} is a convolution: clipping its singular values leaves the kernel's support, so no kernel has them`,
    "Use --method divide or cap, or leave it out with --only.",
  );
}

/** Weights of the chain outside the selection: measured, not changed. */
function unselected(model: Model, plan: WeightPlan, groups: readonly WeightGroup[]): readonly WeightGroup[] {
  const taken = new Set(groups.flatMap((group) => group.uses));
  const rest = (plan.chain ?? []).flatMap((step) => ("use" in step.factor ? [step.factor.use] : []));
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

function reportOf(
  context: ShrinkContext,
  model: Model,
  plan: WeightPlan,
  changes: readonly Change[],
  options: NormalizeOptions,
  method: NormalizeMethod,
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
    network: model.onnx === undefined ? null : { before: bounds("before"), after: bounds("after") },
    kept: changes.every((change) => change.failure === undefined),
    problems: [...changes.flatMap(problemsOf), ...unsupportedProblems(plan, options.only, "left as it is")],
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
