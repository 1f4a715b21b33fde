import type { AttackSearch } from "../network/attack-search.ts";
import { UsageError } from "./errors.ts";
import { settle } from "./settings.ts";

/** How points are certified and attacked. */
export interface CertifyOptions {
  /** One bound for all inputs (default), or a smaller one around each point. */
  readonly bound?: "global" | "local" | undefined;
  /** ℓ2 norms of changes, in units of the data as stored; default 0.1, 0.3, 0.5, 1. */
  readonly epsilons?: readonly number[] | undefined;
  /** Default "pgd". */
  readonly attack?: "none" | "pgd" | undefined;
  /** Gradient steps from each start, default 50. */
  readonly attackSteps?: number | undefined;
  /** Attack the first so many points, default 500. */
  readonly attackPoints?: number | undefined;
  /** What looks for changes; by default projected gradient ascent in float64, one point after another. */
  readonly search?: AttackSearch | undefined;
  /** The network sees x·scale + shift; default 1. */
  readonly scale?: number | undefined;
  /** Default 0. */
  readonly shift?: number | undefined;
  /** Default "probable". */
  readonly guarantee?: "probable" | "proof" | undefined;
  /** 0 ≤ seed < 2⁶⁴; drawn from the operating system by default, and recorded. */
  readonly seed?: bigint | number | undefined;
  /** Sizes of graph inputs that the file leaves open, by input name; "" for the only input. */
  readonly inputs?: Readonly<Record<string, readonly number[]>> | undefined;
  /** Bytes the weights may take as float64; default 2 GiB. */
  readonly memory?: number | undefined;
  /** Stops the work soon after it is aborted; the call then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called often. */
  readonly onProgress?: ((progress: CertifyProgress) => void) | undefined;
}

/** Where the work is: first the network is bounded, then points are certified, then attacked. */
export interface CertifyProgress {
  readonly phase: "bound" | "certify" | "attack";
  /** Points done in this phase, of `count`. */
  readonly index: number;
  readonly count: number;
}

/** Options with every default filled in. */
export interface SettledOptions {
  readonly bound: "global" | "local";
  /** Ascending, each once. */
  readonly epsilons: readonly number[];
  readonly attack: "none" | "pgd";
  readonly attackSteps: number;
  readonly attackPoints: number;
  readonly scale: number;
  readonly shift: number;
  readonly guarantee: "probable" | "proof";
  readonly seed: bigint;
}

export const DEFAULT_EPSILONS: readonly number[] = [0.1, 0.3, 0.5, 1];
export const DEFAULT_ATTACK_STEPS = 50;
export const DEFAULT_ATTACK_POINTS = 500;

/** @throws UsageError for an option out of its range. */
export function settleCertify(options: CertifyOptions): SettledOptions {
  const { bound = "global", attack = "pgd", guarantee = "probable", scale = 1, shift = 0 } = options;
  const epsilons = [...new Set(options.epsilons ?? DEFAULT_EPSILONS)].sort((a, b) => a - b);
  if (epsilons.length === 0) throw new UsageError("there must be at least one ε");
  const bad = epsilons.find((epsilon) => !(epsilon > 0 && Number.isFinite(epsilon)));
  if (bad !== undefined) throw new UsageError(`ε must be a positive number, got ${bad}`);
  if (!(Number.isFinite(scale) && scale !== 0)) {
    throw new UsageError(`the scale must be a number other than 0, got ${scale}`);
  }
  if (!Number.isFinite(shift)) throw new UsageError(`the shift must be a number, got ${shift}`);
  return {
    bound,
    epsilons,
    attack,
    attackSteps: atLeastOne("attack steps", options.attackSteps ?? DEFAULT_ATTACK_STEPS),
    attackPoints: atLeastOne("attack points", options.attackPoints ?? DEFAULT_ATTACK_POINTS),
    scale,
    shift,
    guarantee,
    seed: settle({ seed: options.seed }).seed,
  };
}

function atLeastOne(what: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new UsageError(`${what} must be a whole number from 1, got ${value}`);
}
