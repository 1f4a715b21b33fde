import { Lanczos } from "./lanczos.ts";
import { lowerBound, type ProductError } from "./lower-bound.ts";
import { RandomStream } from "./random.ts";
import type { Iteration } from "./requests.ts";

/** Steps after which the interval is returned as it is: a basis of this many vectors is the memory limit. */
export const MAX_LANCZOS_STEPS = 600;

/** What a Lanczos run is asked for. */
export interface ProbableOptions {
  /** Length of v. */
  readonly cols: number;
  /** Wanted (upper − lower) / upper. */
  readonly gap: number;
  /** Chance that `upper` may be wrong. */
  readonly failureProbability: number;
  readonly seed: bigint;
  readonly error: ProductError;
}

/** An interval of σ₁ and the vector that proves its lower end. */
export interface ProbableInterval {
  readonly lower: number;
  readonly upper: number;
  readonly steps: number;
  /** Unit approximation of the top right singular vector, and A times it. */
  readonly vector: Float64Array;
  readonly image: Float64Array;
}

/**
 * σ₁ by Lanczos from a random start: `upper` holds except with `failureProbability`, `lower` always.
 * Stops when the gap is met, the Krylov space closes, or after `MAX_LANCZOS_STEPS`.
 */
export function* probableInterval(options: ProbableOptions): Iteration<ProbableInterval> {
  const start = new RandomStream(options.seed).direction(options.cols);
  const lanczos = new Lanczos(start, options.failureProbability);
  let wanted = options.gap;
  for (;;) {
    lanczos.step(yield { kind: "gram", vector: lanczos.vector });
    const last = lanczos.closed || lanczos.steps >= MAX_LANCZOS_STEPS;
    const upper = lanczos.upper();
    if (!last && !(upper - lanczos.sigma <= wanted * upper)) continue;
    const vector = lanczos.ritzVector();
    const image = yield { kind: "apply", vector };
    const lower = lowerBound(vector, image, options.error);
    if (last || upper - lower <= options.gap * upper)
      return { lower, upper, steps: lanczos.steps, vector, image };
    wanted /= 2;
  }
}
