import { dot, norm } from "./basis.ts";
import { lowerBound, type ProductError } from "./lower-bound.ts";
import { ask, type Iteration } from "./requests.ts";

/** Steps of the power iteration behind an `estimate`, and the relative change that ends it sooner. */
export const ESTIMATE_ITERATIONS = 50;
export const ESTIMATE_TOLERANCE = 1e-4;

/** What a power iteration is asked for. */
export interface PowerOptions {
  /** Unit vector to start from: random, or the last one of an earlier run (warm start). */
  readonly start: Float64Array;
  readonly iterations: number;
  /** Stops early once an iteration changes the estimate by less than this share; 0 never does. */
  readonly tolerance: number;
  readonly error: ProductError;
}

/** σ₁ approached from below: an estimate, and what is rigorously known. */
export interface PowerEstimate {
  readonly lower: number;
  /** ‖A v‖ for the last v; it may be far below σ₁ and is no bound from above. */
  readonly estimate: number;
  readonly iterations: number;
  readonly vector: Float64Array;
  readonly image: Float64Array;
}

/** Power iteration on AᵀA: what every framework ships as its "spectral norm". */
export function* powerIteration(options: PowerOptions): Iteration<PowerEstimate> {
  let vector = options.start;
  let estimate = 0;
  let iterations = 0;
  while (iterations < options.iterations) {
    const product = yield* ask({ kind: "gram", vector });
    iterations++;
    const length = norm(product);
    const next = Math.sqrt(dot(vector, product));
    if (!(length > 0)) break;
    vector = product.map((x) => x / length);
    const settled = Math.abs(next - estimate) <= options.tolerance * next;
    estimate = next;
    if (settled) break;
  }
  const image = yield* ask({ kind: "apply", vector });
  const lower = lowerBound(vector, image, options.error);
  return { lower, estimate: Math.max(norm(image), lower), iterations, vector, image };
}
