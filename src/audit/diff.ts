import type { Model } from "../formats/model.ts";
import type { WeightPlan, WeightUse } from "../network/use.ts";
import { VERSION } from "../version.ts";
import { type Named, pairLayers } from "./diff-pairs.ts";
import { type Engine, loadEngine } from "./engine.ts";
import { UsageError } from "./errors.ts";
import { sigmaReport } from "./layer.ts";
import { type Measurement, measureUse } from "./measure.ts";
import { planModel, selection } from "./plan.ts";
import { nonFiniteMessage } from "./problems.ts";
import type { AuditProgress } from "./run.ts";
import type { Problem, SigmaReport } from "./schema.ts";
import { deriveSeed } from "./seeds.ts";
import { analyzeOptions, type CommonOptions, type Settings, settle } from "./settings.ts";

export interface DiffOptions extends CommonOptions {
  /** Called as weights are read, many times per layer. */
  readonly onProgress?: ((progress: AuditProgress) => void) | undefined;
}

/** `lipschitz.diff/1`: pairs are [a, b]. */
export interface DiffReport {
  readonly schema: "lipschitz.diff/1";
  /** The models' main files. */
  readonly a: string;
  readonly b: string;
  readonly settings: {
    readonly guarantee: Settings["guarantee"];
    /** The seed as given, or as drawn from the operating system (decimal string). */
    readonly seed: string;
    readonly threads: number;
    /** Of lipschitz. */
    readonly version: string;
  };
  /** Layers that both models have, in the order of `a`. */
  readonly layers: readonly DiffLayer[];
  /** Names of layers that only one of the models has. */
  readonly onlyA: readonly string[];
  /** The same, of `b`. */
  readonly onlyB: readonly string[];
  /** Layers that could not be compared in full, and why. */
  readonly problems: readonly Problem[];
}

/** One layer of both models; pairs are [a, b]. */
export interface DiffLayer {
  /** As `a` calls it. */
  readonly name: string;
  /** Of the stored tensors. */
  readonly shape: readonly [readonly number[], readonly number[]];
  /** null where a weight could not be read or holds a NaN or infinity. */
  readonly sigma: readonly [SigmaReport | null, SigmaReport | null];
  /** Of the stored tensors; null where unreadable. */
  readonly frobenius: readonly [number | null, number | null];
  /**
   * Between the top right singular vectors, in radians from 0 to π/2 (a singular vector has no sign); computed, not a
   * bound. null where the spaces differ or there is no single top vector.
   */
  readonly angle: number | null;
  /** What kept this layer from being compared in full. */
  readonly problems: readonly string[];
}

/** σ₂ this close to σ₁ leaves the top direction undetermined: any mixture of both is as good. */
const CLOSE = 0.999;

/**
 * What moved between two checkpoints, layer by layer; layers are paired by name, then by their tensor's name where
 * it is unique, single ones whatever their names.
 * @throws UsageError for options out of range or when `only` matches nothing; `signal.reason` when aborted.
 */
export async function diff(a: Model, b: Model, options: DiffOptions = {}): Promise<DiffReport> {
  const plans = [await planModel(a, options), await planModel(b, options)] as const;
  return diffPlans(await loadEngine(), [a, b], plans, options);
}

/** As `diff`, with the models' plans and the numerical engine given. */
export async function diffPlans(
  engine: Engine,
  models: readonly [Model, Model],
  plans: readonly [WeightPlan, WeightPlan],
  options: DiffOptions = {},
): Promise<DiffReport> {
  const settings = settle(options);
  const inA = named(plans[0], options.only);
  const inB = named(plans[1], options.only);
  if (options.only !== undefined && inA.size + inB.size === 0) {
    throw new UsageError(`--only '${options.only}' matches no layer of either model`);
  }
  const { pairs, onlyA, onlyB } = pairLayers(inA, inB);
  const totalBytes = pairs.flatMap(({ uses }) => uses).reduce((sum, use) => sum + use.weight.byteLength, 0);
  const layers: DiffLayer[] = [];
  const problems: Problem[] = [];
  let bytes = 0;
  for (const [index, { name: layer, uses }] of pairs.entries()) {
    const onBytes = (n: number) => {
      bytes = Math.min(totalBytes, bytes + n);
      options.onProgress?.({ layer, index, count: pairs.length, bytes, totalBytes });
    };
    const sides: Side[] = [];
    for (const use of uses) sides.push(await measureSide(engine, use, index, settings, onBytes));
    layers.push(diffLayer(layer, uses, sides as [Side, Side]));
    problems.push(...sides.flatMap((side, i) => sideProblems(side, models[i]!, layer)));
  }
  const { guarantee, seed, threads } = settings;
  return {
    schema: "lipschitz.diff/1",
    a: models[0].sources[0]!.name,
    b: models[1].sources[0]!.name,
    settings: { guarantee, seed: seed.toString(), threads, version: VERSION },
    layers,
    onlyA,
    onlyB,
    problems,
  };
}

/** Uses by name; of several with one name the later ones are numbered. */
function named(plan: WeightPlan, only: string | undefined): Named {
  const selected = selection(only);
  const uses = new Map<string, WeightUse>();
  for (const use of plan.uses) {
    if (!selected(use.name) && !selected(use.weight.name)) continue;
    let name = use.name;
    for (let n = 2; uses.has(name); n++) name = `${use.name} #${n}`;
    uses.set(name, use);
  }
  return uses;
}

type Side =
  | { readonly measurement: Measurement }
  | { readonly failure: string; readonly code: "unreadable" | "not-finite" };

async function measureSide(
  engine: Engine,
  use: WeightUse,
  index: number,
  settings: Settings,
  onProgress: (bytes: number) => void,
): Promise<Side> {
  settings.signal?.throwIfAborted();
  try {
    const options = analyzeOptions(settings, deriveSeed(settings.seed, index));
    const measurement = await measureUse(engine, use, use.weight, {
      ...options,
      vectors: true,
      spectrum: 2,
      onProgress,
    });
    return measurement.finite
      ? { measurement }
      : { code: "not-finite", failure: nonFiniteMessage(use.weight, use.name) };
  } catch (error) {
    settings.signal?.throwIfAborted();
    return { code: "unreadable", failure: error instanceof Error ? error.message : String(error) };
  }
}

function sideProblems(side: Side, model: Model, layer: string): Problem[] {
  if (!("failure" in side)) return [];
  return [
    {
      severity: "error",
      code: side.code,
      where: `${model.sources[0]!.name}, ${layer}`,
      message: side.failure,
    },
  ];
}

function diffLayer(
  name: string,
  uses: readonly [WeightUse, WeightUse],
  sides: readonly [Side, Side],
): DiffLayer {
  const [a, b] = sides.map((side) => ("failure" in side ? null : side.measurement));
  const shape = [uses[0].weight.shape, uses[1].weight.shape] as const;
  const { angle, problems } = topAngle(uses, [a ?? null, b ?? null]);
  return {
    name,
    shape,
    sigma: [sigmaOf(a), sigmaOf(b)],
    frobenius: [frobeniusOf(a), frobeniusOf(b)],
    angle,
    problems,
  };
}

function sigmaOf(m: Measurement | null | undefined): SigmaReport | null {
  return m?.sigma == null ? null : sigmaReport(m.sigma);
}

function frobeniusOf(m: Measurement | null | undefined): number | null {
  return m != null && Number.isFinite(m.frobenius) ? m.frobenius : null;
}

function topAngle(
  uses: readonly [WeightUse, WeightUse],
  [a, b]: readonly [Measurement | null, Measurement | null],
): { readonly angle: number | null; readonly problems: string[] } {
  if (a === null || b === null) return { angle: null, problems: [] };
  const sameShape = String(uses[0].weight.shape) === String(uses[1].weight.shape);
  if (!sameShape) return { angle: null, problems: ["the shapes differ, so there is no angle between them"] };
  const reasons = [vectorlessReason("a", uses[0], a), vectorlessReason("b", uses[1], b)];
  if (a.top === undefined || b.top === undefined || reasons.some((reason) => reason !== null)) {
    return { angle: null, problems: reasons.filter((reason) => reason !== null) };
  }
  if (a.top.matrix !== b.top.matrix) return { angle: Math.PI / 2, problems: [] };
  if (a.top.v.length !== b.top.v.length) {
    return { angle: null, problems: ["the input sizes differ, so there is no angle between them"] };
  }
  const tied = [a, b].some(({ spectrum }) => (spectrum?.[1] ?? 0) > CLOSE * (spectrum?.[0] ?? Infinity));
  const doubt = "σ₂ is within 0.1 % of σ₁, so the top direction, and the angle, mean little";
  return { angle: angleBetween(a.top.v, b.top.v), problems: tied ? [doubt] : [] };
}

/** Why one side has no top singular vector to compare; null when it has one. */
function vectorlessReason(side: string, use: WeightUse, m: Measurement): string | null {
  const missing = `${side} has no top singular vector to compare`;
  if (m.sigma?.lower === 0) {
    return m.sigma.upper === 0 ? `${missing}: it is zero` : `${missing}: σ may be zero`;
  }
  if (m.top !== undefined) return null;
  const { layout } = use;
  const unsized = layout.kind === "convolution" && layout.geometry.inputSize === undefined;
  return `${missing}: ${unsized ? "the convolution's input size is unknown" : `its bound (${m.sigma?.method}) comes without one`}`;
}

/** The angle between two lines, accurate for small angles too (arccos is not). */
export function angleBetween(x: Float64Array, y: Float64Array): number {
  const [nx, ny] = [norm(x), norm(y)];
  let dot = 0;
  for (let i = 0; i < x.length; i++) dot += (x[i]! / nx) * (y[i]! / ny);
  const sign = dot < 0 ? -1 : 1;
  const difference = norm(x.map((xi, i) => xi / nx - (sign * y[i]!) / ny));
  const sum = norm(x.map((xi, i) => xi / nx + (sign * y[i]!) / ny));
  return 2 * Math.atan2(difference, sum);
}

function norm(x: Float64Array): number {
  return Math.sqrt(x.reduce((sum, xi) => sum + xi * xi, 0));
}
