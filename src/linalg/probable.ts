import { Lanczos } from "./lanczos.ts";
import { lowerBound, type ProductError } from "./lower-bound.ts";
import { RandomStream } from "./random.ts";
import { ask, type Iteration } from "./requests.ts";

/** Steps after which the interval is returned as it is: a basis of this many vectors is the memory limit. */
export const MAX_LANCZOS_STEPS = 600;

/** Steps that usually bring one more leading singular value within 1 %. */
const STEPS_PER_VALUE = 3;

/** Relative accuracy of the leading singular values a run gives besides. */
const SPECTRUM_TOLERANCE = 0.01;

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
  /** Leading singular values wanted besides; the run goes on until they have had a fair chance to converge. */
  readonly spectrum?: number | undefined;
}

/** An interval of σ₁ and the vector that proves its lower end. */
export interface ProbableInterval {
  readonly lower: number;
  readonly upper: number;
  readonly steps: number;
  /** Unit approximation of the top right singular vector, and A times it. */
  readonly vector: Float64Array;
  readonly image: Float64Array;
  /** Distinct leading singular values, each within 1 %. */
  readonly spectrum: readonly number[];
}

/**
 * σ₁ by Lanczos from a random start: `upper` holds except with `failureProbability`, `lower` always.
 * Stops when the gap is met, the Krylov space closes, or after `MAX_LANCZOS_STEPS`.
 */
export function* probableInterval(options: ProbableOptions): Iteration<ProbableInterval> {
  const start = new RandomStream(options.seed).direction(options.cols);
  const lanczos = new Lanczos(start, options.failureProbability);
  const count = options.spectrum ?? 0;
  const leastSteps = STEPS_PER_VALUE * count;
  let wanted = options.gap;
  for (;;) {
    lanczos.step(yield* ask({ kind: "gram", vector: lanczos.vector }));
    const last = lanczos.closed || lanczos.steps >= MAX_LANCZOS_STEPS;
    const upper = lanczos.upper();
    if (!last && (lanczos.steps < leastSteps || !(upper - lanczos.sigma <= wanted * upper))) continue;
    const vector = lanczos.ritzVector();
    const image = yield* ask({ kind: "apply", vector });
    const lower = lowerBound(vector, image, options.error);
    if (last || upper - lower <= options.gap * upper) {
      lanczos.release();
      return {
        lower,
        upper,
        steps: lanczos.steps,
        vector,
        image,
        spectrum: lanczos.leadingValues(count, SPECTRUM_TOLERANCE),
      };
    }
    wanted /= 2;
  }
}
