import type { AnalyzeOptions, MatrixAnalysis } from "../linalg/analyze.ts";
import type { Bound, Guarantee } from "../linalg/bound.ts";
import { addUp, down, mulUp } from "../linalg/rounding.ts";
import type { ConvolutionLayout, MatrixLayout, WeightUse } from "../network/use.ts";
import { type Content, convolutionSource, matrixSources } from "./content.ts";
import type { Engine } from "./engine.ts";
import { deriveSeed } from "./seeds.ts";

/** What is known of one use of a weight. */
export interface Measurement {
  /** False when an element is a NaN or an infinity; then every bound is null. */
  readonly finite: boolean;
  /** Of the operator as used: σ of the stored numbers times the use's scale. */
  readonly sigma: Bound | null;
  /** Convolutions: of the kernel reshaped to c_out × (c_in·k), stored numbers. */
  readonly reshaped?: Bound;
  /** Of the stored numbers. */
  readonly frobenius: number;
  readonly stableRank: number | null;
  readonly spectrum?: readonly number[];
  /** Top right singular vector, and which of several stacked matrices it belongs to. */
  readonly top?: { readonly v: Float64Array; readonly matrix: number };
  /** Chance that any upper bound here is too small. */
  readonly failureProbability: number;
}

/** A use's measurement, or what kept it from being measured. `fresh`: not shared with an earlier use. */
export type Outcome =
  | { readonly measurement: Measurement; readonly fresh: boolean }
  | { readonly failure: string; readonly fresh: boolean };

const STRENGTH: readonly Guarantee[] = ["estimate", "probable", "proof"];

/** The weaker of two guarantees. */
export function weakest(a: Guarantee, b: Guarantee): Guarantee {
  return STRENGTH[Math.min(STRENGTH.indexOf(a), STRENGTH.indexOf(b))]!;
}

/** The chance that one of two events happens, at most; exactly 0 when neither can. */
export function unionBound(a: number, b: number): number {
  return a === 0 || b === 0 ? a + b : Math.min(1, addUp(a, b));
}

/**
 * Measures one use of a weight on the given content, its scale included.
 * @throws FormatError when the content cannot be read; whatever `options.signal` was aborted with.
 */
export async function measureUse(
  engine: Engine,
  use: WeightUse,
  content: Content,
  options: AnalyzeOptions,
): Promise<Measurement> {
  return scaleMeasurement(await measureStored(engine, use, content, options), use.scale ?? 1);
}

/** As `measureUse`, of the stored numbers alone: the same for every use that reads them in the same way. */
export function measureStored(
  engine: Engine,
  use: WeightUse,
  content: Content,
  options: AnalyzeOptions,
): Promise<Measurement> {
  return use.layout.kind === "matrix"
    ? measureMatrices(engine, use, use.layout, content, options)
    : measureConvolution(engine, use, use.layout, content, options);
}

async function measureMatrices(
  engine: Engine,
  use: WeightUse,
  layout: MatrixLayout,
  content: Content,
  options: AnalyzeOptions,
): Promise<Measurement> {
  const { sources, swapped } = matrixSources(use, layout, content, options.memory);
  const parts: MatrixAnalysis[] = [];
  for (const [k, source] of sources.entries()) {
    options.signal?.throwIfAborted();
    // A part's spectrum says nothing about the whole's, so it is asked of single matrices only.
    const spectrum = layout.count === 1 ? (options.spectrum ?? 0) : 0;
    parts.push(
      await engine.analyzeMatrix(source, {
        ...options,
        spectrum,
        seed: k === 0 ? options.seed : deriveSeed(options.seed, k),
      }),
    );
  }
  return combine(parts, swapped);
}

async function measureConvolution(
  engine: Engine,
  use: WeightUse,
  layout: ConvolutionLayout,
  content: Content,
  options: AnalyzeOptions,
): Promise<Measurement> {
  const source = convolutionSource(use, layout, content, options.memory);
  const analysis = await engine.analyzeConvolution(source, options);
  const base = combine([analysis], false);
  const { reshaped } = analysis;
  if (!base.finite || reshaped === null) return base;
  return {
    ...base,
    reshaped,
    stableRank: stableRank(analysis.frobenius, reshaped),
    failureProbability: unionBound(base.failureProbability, reshaped.failureProbability ?? 0),
  };
}

/** Matrices side by side act on inputs of their own: the norm of all is the largest. */
function combine(parts: readonly MatrixAnalysis[], swapped: boolean): Measurement {
  const frobenius = rootSumOfSquares(parts.map((part) => part.frobenius));
  if (parts.length === 0) {
    return { finite: true, sigma: ZERO, frobenius: 0, stableRank: null, failureProbability: 0 };
  }
  const bounds = parts.map((part) => part.sigma);
  if (parts.some((part) => !part.finite) || !bounds.every((bound) => bound !== null)) {
    return { finite: false, sigma: null, frobenius, stableRank: null, failureProbability: 0 };
  }
  const sigma = bounds.reduce(largerBound);
  const matrix = bounds.reduce((best, bound, k) => (bound.lower > bounds[best]!.lower ? k : best), 0);
  const { top, spectrum } = parts[matrix]!;
  return {
    finite: true,
    sigma,
    frobenius,
    stableRank: stableRank(frobenius, sigma),
    ...(parts.length === 1 && spectrum !== undefined ? { spectrum } : {}),
    ...(top === undefined ? {} : { top: { v: swapped ? top.u : top.v, matrix } }),
    failureProbability: sigma.failureProbability ?? 0,
  };
}

const ZERO: Bound = { lower: 0, upper: 0, guarantee: "proof", method: "closed-form" };

/** A bound of max(a, b). */
function largerBound(a: Bound, b: Bound): Bound {
  const winner = value(b) > value(a) ? b : a;
  const estimates = a.estimate !== undefined || b.estimate !== undefined;
  const failure = unionBound(a.failureProbability ?? 0, b.failureProbability ?? 0);
  return {
    lower: Math.max(a.lower, b.lower),
    upper: a.upper === null || b.upper === null ? null : Math.max(a.upper, b.upper),
    guarantee: weakest(a.guarantee, b.guarantee),
    method: winner.method,
    ...(estimates ? { estimate: Math.max(value(a), value(b)) } : {}),
    ...(a.iterations === undefined && b.iterations === undefined
      ? {}
      : { iterations: (a.iterations ?? 0) + (b.iterations ?? 0) }),
    ...(failure > 0 ? { failureProbability: failure } : {}),
  };
}

/** The number to show where one is wanted: the estimate, or the lower bound that iterations approach σ by. */
function value(bound: Bound): number {
  return bound.estimate ?? bound.lower;
}

function stableRank(frobenius: number, sigma: Bound): number | null {
  const s = value(sigma);
  const ratio = s > 0 ? frobenius / s : Number.NaN;
  return Number.isFinite(ratio) ? ratio * ratio : null;
}

function rootSumOfSquares(values: readonly number[]): number {
  if (values.length === 1) return values[0]!;
  const largest = values.reduce((a, b) => Math.max(a, b), 0);
  if (!(largest > 0) || !Number.isFinite(largest)) return largest;
  return largest * Math.sqrt(values.reduce((sum, v) => sum + (v / largest) ** 2, 0));
}

/** The bounds of scale·A from those of A, rounded outward. */
export function scaleMeasurement(measured: Measurement, scale: number): Measurement {
  const s = Math.abs(scale);
  if (s === 1 || measured.sigma === null) return measured;
  const { sigma, spectrum } = measured;
  return {
    ...measured,
    sigma: {
      ...sigma,
      lower: down(sigma.lower * s),
      upper: sigma.upper === null ? null : mulUp(sigma.upper, s),
      ...(sigma.estimate === undefined ? {} : { estimate: sigma.estimate * s }),
    },
    ...(spectrum === undefined ? {} : { spectrum: spectrum.map((x) => x * s) }),
  };
}
