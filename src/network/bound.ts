import { deriveSeed } from "../linalg/random.ts";
import { randomSeed } from "../platform/random.ts";
import { LocalBounds } from "./bounds/local.ts";
import { type SampledSteepness, sampleSteepness } from "./bounds/lower.ts";
import { Norms } from "./bounds/norms.ts";
import { type KnownNorm, outputTotal, UpperBound } from "./bounds/upper.ts";
import type { NetworkBound } from "./certificate.ts";
import type { Network } from "./network.ts";

/** How a network is bounded; everything has a default. */
export interface NetworkBoundOptions {
  /** Default "probable". */
  readonly guarantee?: "probable" | "proof" | undefined;
  /** Drawn from the operating system by default. */
  readonly seed?: bigint | number | undefined;
  /** Chance that one norm's upper bound is too small (`probable`), default 1e-9. */
  readonly failureProbability?: number | undefined;
  /** Norms of affine nodes known already, rounded up. */
  readonly known?: KnownNorm | undefined;
  /** Points near which steep places are looked for, one flat vector per input each; random ones by default. */
  readonly points?: Iterable<readonly Float64Array[]> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A network bounded over all inputs, and what is needed to bound it over balls. */
export interface BoundedNetwork extends NetworkBound {
  /** What the search for steep places saw. */
  readonly sampled: SampledSteepness;
  /**
   * The Lipschitz bound over the ball of inputs within `radius` (ℓ2) of a point: at most the global one, and usually
   * far less, because most units of most networks keep their slope there.
   */
  around(x: readonly Float64Array[], radius: number): BallBound;
}

/** A network's Lipschitz bound over one ball. */
export interface BallBound {
  readonly upper: number | null;
  /** Share of the units of elementwise functions whose slope is one number all over the ball. */
  readonly fixedUnits: number;
  /** Chance that `upper` is too small. */
  readonly failureProbability: number;
}

/** Norms within a network are found this closely. */
const GAP = 1e-3;

/**
 * The interval of a network's Lipschitz constant (ℓ2, all inputs together to all outputs together): above by the
 * better of products over its graph and of runs of dense layers as a whole (ECLipsE-Fast), below by secants at the
 * steepest places found.
 */
export function bound(network: Network, options: NetworkBoundOptions = {}): BoundedNetwork {
  const { guarantee = "probable", failureProbability = 1e-9 } = options;
  const seed = options.seed === undefined ? randomSeed() : BigInt(options.seed);
  const norms = new Norms({ guarantee, failureProbability, seed: deriveSeed(seed, 0), gap: GAP });
  const upper = new UpperBound(network, norms, options.known);
  const { points, signal } = options;
  const sampled = sampleSteepness(network, { seed: deriveSeed(seed, 1), points, signal });
  const chance = norms.failureProbability;
  let local: LocalBounds | null = null;
  return {
    lower: sampled.lower,
    upper: outputTotal(upper),
    guarantee: norms.guarantee,
    failureProbability: chance,
    method: upper.method,
    sampled,
    around(x, radius) {
      local ??= new LocalBounds(upper, norms);
      const found = local.around(x, radius).bound();
      return { ...found, failureProbability: norms.failureProbability };
    },
  };
}
