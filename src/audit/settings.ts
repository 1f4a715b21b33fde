import type { AnalyzeOptions } from "../linalg/analyze.ts";
import type { Guarantee } from "../linalg/bound.ts";
import { defaultThreads } from "../platform/cores.ts";
import { randomSeed } from "../platform/random.ts";
import { UsageError } from "./errors.ts";

/** What audit, normalize and diff have in common. */
export interface CommonOptions {
  /** Default "probable". */
  readonly guarantee?: Guarantee | undefined;
  /** Relative gap between the bounds to stop at. */
  readonly gap?: number | undefined;
  /** Chance that one weight's upper bound is too small (`probable`), default 1e-9. */
  readonly failureProbability?: number | undefined;
  /** 0 ≤ seed < 2⁶⁴; drawn from the operating system by default, and recorded. */
  readonly seed?: bigint | number | undefined;
  /** Default: the machine's, at most 8 (they share its memory). */
  readonly threads?: number | undefined;
  /** Bytes; default 2 GiB. A larger matrix streams by row blocks. */
  readonly memory?: number | undefined;
  /** Only layers whose name, or whose tensor's name, matches this pattern (`*`, `?`, `{a,b}`). */
  readonly only?: string | undefined;
  /** Sizes of graph inputs that the file leaves open, by input name; "" for the only input. */
  readonly inputs?: Readonly<Record<string, readonly number[]>> | undefined;
  /** Stops the work soon after it is aborted; the call then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** 2 GiB: fits beside a desktop's other programs and holds a 16,384² float32 matrix twice. */
export const DEFAULT_MEMORY = 2 * 2 ** 30;

export const DEFAULT_FAILURE_PROBABILITY = 1e-9;

/** Options with every default filled in. */
export interface Settings {
  readonly guarantee: Guarantee;
  readonly gap: number | undefined;
  readonly failureProbability: number;
  readonly seed: bigint;
  readonly threads: number;
  readonly memory: number;
  readonly signal: AbortSignal | undefined;
}

/** @throws UsageError for a setting out of its range. */
export function settle(options: CommonOptions): Settings {
  const seed = options.seed === undefined ? randomSeed() : seedOf(options.seed);
  const { gap, failureProbability = DEFAULT_FAILURE_PROBABILITY } = options;
  const { threads = defaultThreads(), memory = DEFAULT_MEMORY } = options;
  if (gap !== undefined && !(gap > 0 && gap < 1)) {
    throw new UsageError(`the gap must be between 0 and 1, got ${gap}`);
  }
  if (!(failureProbability > 0 && failureProbability < 1)) {
    throw new UsageError(`the failure probability must be between 0 and 1, got ${failureProbability}`);
  }
  if (!(Number.isSafeInteger(threads) && threads >= 1)) {
    throw new UsageError(`threads must be a whole number from 1, got ${threads}`);
  }
  if (!(memory > 0)) throw new UsageError(`memory must be a positive number of bytes, got ${memory}`);
  return {
    guarantee: options.guarantee ?? "probable",
    gap,
    failureProbability,
    seed,
    threads,
    memory,
    signal: options.signal,
  };
}

/** The engine's options for one weight. */
export function analyzeOptions(settings: Settings, seed: bigint): AnalyzeOptions {
  const { guarantee, gap, failureProbability, threads, memory, signal } = settings;
  return {
    guarantee,
    failureProbability,
    seed,
    threads,
    memory,
    ...(gap === undefined ? {} : { gap }),
    ...(signal === undefined ? {} : { signal }),
  };
}

function seedOf(seed: bigint | number): bigint {
  const integer = typeof seed === "bigint" || Number.isSafeInteger(seed) ? BigInt(seed) : -1n;
  if (integer >= 0n && integer < 1n << 64n) return integer;
  throw new UsageError(`the seed must be a whole number from 0 to 2^64 - 1, got ${seed}`);
}
