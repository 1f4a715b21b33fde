import { deriveSeed } from "../linalg/random.ts";
import { type Adversarial, attack, isBeyondRounding, shorten } from "../network/attack.ts";
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
 * Attacks a point within every ε, and within its certified radius, which nothing may get into. The largest ball comes
 * first: a change found there, brought back along its line, may settle smaller ones; a point that withstands in a
 * ball is taken to withstand in the smaller ones of the list, which lie inside it. The certified ball is always tried
 * on its own.
 */
export async function attackPoint(
  network: Network,
  point: Certified,
  settings: SettledOptions,
  pause: () => Promise<void>,
): Promise<Attacked> {
  const search = new Search(network, point, settings, pause);
  for (const epsilon of settings.epsilons.toReversed()) {
    if (search.distance <= epsilon) continue;
    if (!(await search.within(epsilon))) break;
  }
  const ball = Math.min(point.radius, FARTHEST * settings.epsilons.at(-1)!);
  if (search.distance >= ball) await search.within(ball);
  const { distance, violation } = search;
  return { distance: distance === Infinity ? null : distance, violation };
}

class Search {
  readonly #network: Network;
  readonly #point: Certified;
  readonly #settings: SettledOptions;
  readonly #pause: () => Promise<void>;
  distance = Infinity;
  violation: Violation | null = null;

  constructor(network: Network, point: Certified, settings: SettledOptions, pause: () => Promise<void>) {
    this.#network = network;
    this.#point = point;
    this.#settings = settings;
    this.#pause = pause;
  }

  /** True when a change of at most ε was found. */
  async within(epsilon: number): Promise<boolean> {
    const { seen, label, index } = this.#point;
    const { attackSteps: steps, seed } = this.#settings;
    const budget = budgetOf(epsilon, seen, this.#settings);
    if (budget === 0) return false;
    const found = await attack(this.#network, seen.z, label, budget, {
      steps,
      seed: deriveSeed(seed, index),
      pause: this.#pause,
    });
    if (found === null) return false;
    const before = this.distance;
    this.#count(found, epsilon);
    this.#count(shorten(this.#network, seen.z, label, found), epsilon);
    return this.distance < before;
  }

  #count({ point, distance: moved, predicted }: Adversarial, epsilon: number): void {
    const { seen, label, index, radius } = this.#point;
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
