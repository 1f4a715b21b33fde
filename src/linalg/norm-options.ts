import { randomSeed } from "../platform/random.ts";
import type { AnalyzeOptions } from "./analyze-options.ts";
import type { Bound, Guarantee } from "./bound.ts";
import { OperatorError } from "./errors.ts";
import { addUp, down, mulUp } from "./rounding.ts";

/** What `spectralNorm` is asked for; everything has a default. */
export interface SpectralNormOptions {
  /** Default "probable". */
  readonly guarantee?: Guarantee;
  /** Wanted (upper − lower)/upper; default 1e-2 at `probable`, 1e-6 for matrices at `proof`. */
  readonly gap?: number;
  /** Chance that `upper` may be too small (`probable`); default 1e-9. */
  readonly failureProbability?: number;
  /** For a repeatable run; by default drawn from the platform's random source. */
  readonly seed?: bigint | number;
  /** Bytes the computation may hold beside the operator; default 2 GiB. */
  readonly memory?: number;
}

const DEFAULT_MEMORY = 2 * 2 ** 30;

/** Options with every default filled in. @throws OperatorError when one is out of range. */
export function completeOptions(options: SpectralNormOptions, threads: number): AnalyzeOptions {
  const { gap, failureProbability } = options;
  const { guarantee = "probable" } = options;
  if (!STRENGTH.includes(guarantee)) {
    throw new OperatorError("guarantee", guarantee, '"estimate", "probable" or "proof"');
  }
  if (gap !== undefined && !(gap > 0 && gap < 1))
    throw new OperatorError("gap", gap, "a number between 0 and 1");
  if (failureProbability !== undefined && !(failureProbability > 0 && failureProbability < 1)) {
    throw new OperatorError("failure probability", failureProbability, "a number between 0 and 1");
  }
  if (!(Number.isSafeInteger(threads) && threads >= 1)) {
    throw new OperatorError("threads", threads, "an integer of at least 1");
  }
  return {
    guarantee,
    gap,
    failureProbability,
    seed: options.seed === undefined ? randomSeed() : BigInt(options.seed),
    memory: options.memory ?? DEFAULT_MEMORY,
    threads,
  };
}

/** The bound of a nonnegative multiple. */
export function scaleBound(bound: Bound, factors: readonly number[]): Bound {
  if (factors.length === 0) return bound;
  return {
    ...bound,
    lower: factors.reduce((x, c) => down(x * c), bound.lower),
    upper: bound.upper === null ? null : factors.reduce(mulUp, bound.upper),
    ...(bound.estimate === undefined ? {} : { estimate: factors.reduce((x, c) => x * c, bound.estimate) }),
  };
}

const STRENGTH: readonly Guarantee[] = ["estimate", "probable", "proof"];

/** The bound of the larger of two quantities. */
export function largerBound(a: Bound, b: Bound): Bound {
  const [high, low] = (a.upper ?? a.lower) >= (b.upper ?? b.lower) ? [a, b] : [b, a];
  const chances = [a.failureProbability, b.failureProbability].filter((p) => p !== undefined);
  return {
    ...high,
    lower: Math.max(a.lower, b.lower),
    upper: a.upper === null || b.upper === null ? null : Math.max(a.upper, b.upper),
    guarantee: STRENGTH[Math.min(STRENGTH.indexOf(high.guarantee), STRENGTH.indexOf(low.guarantee))]!,
    ...(chances.length > 0 ? { failureProbability: chances.reduce(addUp) } : {}),
  };
}
