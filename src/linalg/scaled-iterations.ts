import {
  type BoundOptions,
  DEFAULT_FAILURE_PROBABILITY,
  type MatrixAnalysis,
  wantedGap,
} from "./analyze-options.ts";
import { norm } from "./basis.ts";
import type { Bound } from "./bound.ts";
import type { ProductError } from "./lower-bound.ts";
import { ESTIMATE_ITERATIONS, ESTIMATE_TOLERANCE, powerIteration } from "./power-iteration.ts";
import { type ProbableInterval, probableInterval } from "./probable.ts";
import { RandomStream } from "./random.ts";
import type { Iteration } from "./requests.ts";
import { down } from "./rounding.ts";

/** What every iteration needs to know of an operator whose entries are `scale` times the stored ones. */
export interface ScaledOperator {
  readonly rows: number;
  readonly cols: number;
  readonly scale: number;
  readonly error: ProductError;
}

/** By-products of an iteration, where the options ask for them. */
export type Details = Pick<MatrixAnalysis, "top" | "spectrum">;

/** σ₁ as power iteration sees it: a rigorous lower end, an estimate, no upper end. */
export function* estimateSigma(
  { cols, scale, error }: ScaledOperator,
  options: BoundOptions,
): Iteration<{ readonly sigma: Bound } & Details> {
  const start = new RandomStream(options.seed).direction(cols);
  const result = yield* powerIteration({
    start,
    iterations: ESTIMATE_ITERATIONS,
    tolerance: ESTIMATE_TOLERANCE,
    error,
  });
  const sigma: Bound = {
    lower: down(result.lower / scale),
    estimate: result.estimate / scale,
    upper: null,
    guarantee: "estimate",
    method: "power-iteration",
    iterations: result.iterations,
  };
  return { sigma, ...topVectors(result, options) };
}

/** Lanczos from a random start; `interval` is of the scaled operator, `details` of the stored one. */
export function* lanczosInterval(
  { rows, cols, scale, error }: ScaledOperator,
  options: BoundOptions,
): Iteration<{ readonly interval: ProbableInterval; readonly details: Details }> {
  const interval = yield* probableInterval({
    cols,
    gap: wantedGap(options),
    failureProbability: options.failureProbability ?? DEFAULT_FAILURE_PROBABILITY,
    seed: options.seed,
    error,
    spectrum: Math.min(options.spectrum ?? 0, rows, cols),
  });
  const spectrum = options.spectrum ? { spectrum: interval.spectrum.map((s) => s / scale) } : {};
  return { interval, details: { ...spectrum, ...topVectors(interval, options) } };
}

/** Unit singular vectors from v and A v. */
export function topVectors(
  { vector, image }: { readonly vector: Float64Array; readonly image: Float64Array },
  options: BoundOptions,
): Details {
  if (!options.vectors) return {};
  const length = norm(image);
  return { top: { u: image.map((x) => x / length), v: vector } };
}
