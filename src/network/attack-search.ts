import { attack } from "./attack.ts";
import type { Network } from "./network.ts";

/** A point to be attacked: as the network takes it, its class, how far to go (ℓ2), and the seed of random starts. */
export interface AttackTarget {
  readonly z: Float64Array;
  readonly label: number;
  readonly budget: number;
  readonly seed: bigint;
}

/**
 * Looks for changed inputs of another class. What it finds are proposals: whoever asks evaluates them in float64 and
 * measures how far they are, so a search may be as rough and as fast as it likes.
 */
export interface AttackSearch {
  /** How many targets it takes at once. */
  readonly block: number;
  /**
   * For each target a changed input, or null where none was found.
   * @param steps gradient steps from each start.
   * @param pause awaited often, so that the caller can breathe or stop.
   */
  find(
    targets: readonly AttackTarget[],
    steps: number,
    pause: () => Promise<void>,
  ): Promise<readonly (Float64Array | null)[]>;
}

/** Projected gradient ascent in float64, one point after another; see `attack`. */
export function pointwiseSearch(network: Network): AttackSearch {
  return {
    block: 1,
    async find(targets, steps, pause) {
      const found: (Float64Array | null)[] = [];
      for (const { z, label, budget, seed } of targets) {
        const adversarial = await attack(network, z, label, budget, { steps, seed, pause });
        found.push(adversarial?.point ?? null);
      }
      return found;
    },
  };
}
