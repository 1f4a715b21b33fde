import { deriveSeed } from "../linalg/random.ts";
import { type Adversarial, isBeyondRounding, proposed, shorten } from "../network/attack.ts";
import type { AttackSearch, AttackTarget } from "../network/attack-search.ts";
import type { Network } from "../network/network.ts";
import type { Violation } from "./certify-schema.ts";
import type { SettledOptions } from "./certify-settings.ts";
import { budgetOf, distanceOf, type Seen } from "./certify-units.ts";

/**
 * A certified ball is attacked up to this many times the largest ε: the ball of a class that nothing reaches has no
 * end, and numbers near the largest float are no inputs.
 */
const FARTHEST = 1000;

/** One point that is classified as labelled, and what is certified of it. */
export interface Certified {
  /** From 0, in the order of the file. */
  readonly index: number;
  readonly label: number;
  readonly seen: Seen;
  /** In units of the data, like every ε. */
  readonly radius: number;
}

/** What the attack did to one point. */
export interface Attacked {
  /** The shortest change found that turns its class; null when none was found. */
  readonly distance: number | null;
  readonly violation: Violation | null;
}

/**
 * Attacks points within every ε, and within their certified radii, which nothing may get into. The largest ball comes
 * first: a change found there, brought back along its line, may settle smaller ones; a point that withstands in a
 * ball is taken to withstand in the smaller ones of the list, which lie inside it. The certified ball is always tried
 * on its own, and stands for the smaller balls inside it.
 */
export async function attackPoints(
  network: Network,
  search: AttackSearch,
  points: readonly Certified[],
  settings: SettledOptions,
  pause: () => Promise<void>,
): Promise<readonly Attacked[]> {
  const attempts = points.map((point) => new Attempt(network, point, settings));
  const farthest = FARTHEST * settings.epsilons.at(-1)!;
  const ballOf = ({ point }: Attempt) => Math.min(point.radius, farthest);
  for (const epsilon of settings.epsilons.toReversed()) {
    const open = attempts.filter(
      (attempt) => !attempt.withstood && attempt.distance > epsilon && epsilon > ballOf(attempt),
    );
    await tryWithin(search, open, () => epsilon, settings, pause);
  }
  const certified = attempts.filter((attempt) => attempt.distance >= ballOf(attempt));
  await tryWithin(search, certified, ballOf, settings, pause);
  return attempts.map(({ distance, violation }) => ({
    distance: distance === Infinity ? null : distance,
    violation,
  }));
}

/** Searches the balls around several points at once. */
async function tryWithin(
  search: AttackSearch,
  attempts: readonly Attempt[],
  radius: (attempt: Attempt) => number,
  settings: SettledOptions,
  pause: () => Promise<void>,
): Promise<void> {
  const wanted = attempts
    .map((attempt) => ({ attempt, epsilon: radius(attempt), target: attempt.target(radius(attempt)) }))
    .filter(({ target }) => target.budget > 0);
  if (wanted.length === 0) return;
  const found = await search.find(
    wanted.map(({ target }) => target),
    settings.attackSteps,
    pause,
  );
  wanted.forEach(({ attempt, epsilon, target }, i) => {
    attempt.settle(epsilon, target, found[i]);
  });
}

/** What is known of one point while it is attacked. */
class Attempt {
  readonly #network: Network;
  readonly #settings: SettledOptions;
  readonly point: Certified;
  distance = Infinity;
  /** Whether the last ball held no shorter change. */
  withstood = false;
  violation: Violation | null = null;

  constructor(network: Network, point: Certified, settings: SettledOptions) {
    this.#network = network;
    this.#settings = settings;
    this.point = point;
  }

  target(epsilon: number): AttackTarget {
    const { seen, label, index } = this.point;
    return {
      z: seen.z,
      label,
      budget: budgetOf(epsilon, seen, this.#settings),
      seed: deriveSeed(this.#settings.seed, index),
    };
  }

  settle(epsilon: number, { z, label, budget }: AttackTarget, proposal: Float64Array | null): void {
    const before = this.distance;
    const found = proposal && proposed(this.#network, z, label, budget, proposal);
    if (found) {
      this.#count(found, epsilon);
      this.#count(shorten(this.#network, z, label, found), epsilon);
    }
    this.withstood = !(this.distance < before);
  }

  #count({ point, distance: moved, predicted }: Adversarial, epsilon: number): void {
    const { seen, label, index, radius } = this.point;
    const distance = distanceOf(moved, seen, this.#settings);
    if (distance > epsilon || distance >= this.distance) return;
    if (distance < radius) {
      // A certificate is about real arithmetic: what rounding may have done is no success inside it.
      if (!isBeyondRounding(this.#network, point, label)) return;
      this.violation = { point: index, label, predicted, distance, radius };
    }
    this.distance = distance;
  }
}
