import { random } from "@jax-js/jax";
import { adam, bound, ganLosses, linear, type Module, relu, sequential } from "../../train.ts";
import { planeDirections, slicedWasserstein } from "../mixtures/distances.ts";
import { coverage } from "../mixtures/modes.ts";
import { grid, ring, roll, type Target } from "../mixtures/targets.ts";
import type { Json, Metrics, RunResult } from "../study.ts";
import type { CriticArm } from "./arms.ts";
import { drawsOf, normals, streamsOf } from "./draws.ts";
import { Game } from "./game.ts";
import { falling } from "./schedule.ts";
import { FIRST_SEED } from "./seeds.ts";

/** A game in the plane: all that is the same for every arm. */
export interface PlanarSetting {
  readonly target: Target["name"];
  readonly loss: keyof typeof ganLosses;
  /** Adam's, of both players; the rate falls to zero over the second half. */
  readonly rate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly criticSteps: number;
  /** Steps of the generator. */
  readonly rounds: number;
  /** How often the game is looked at besides its start. */
  readonly looks: number;
}

/** What the figures draw of a game. Numbers of one place belong to one round. */
export interface PlanarDetail {
  readonly rounds: readonly number[];
  readonly modes: readonly (number | null)[];
  readonly hq: readonly (number | null)[];
  /** The critic's certified interval. */
  readonly lower: readonly (number | null)[];
  readonly upper: readonly (number | null)[];
  /** Flat coordinates of samples, x and y in turn. */
  readonly clouds: readonly (readonly number[])[];
}

export const TARGETS: Readonly<Record<Target["name"], Target>> = { grid, ring, roll };

/** Samples that are judged. */
export const SAMPLES = 2500;
/** Directions of the sliced W1. */
export const DIRECTIONS = 64;
const WIDTH = 96;
const LATENT = 2;
const BATCH = 64;
/** Samples in a picture. */
const SHOWN = 400;
/** Places where the critic's lower bound is looked for. */
const PLACES = 100;

/** The critic's network: the control on every layer. */
function criticOf({ control, activation }: CriticArm): Module {
  return sequential(
    linear(WIDTH, { control }),
    activation(),
    linear(WIDTH, { control }),
    activation(),
    linear(1, { control }),
  );
}

const generator = sequential(linear(WIDTH), relu(), linear(WIDTH), relu(), linear(WIDTH), relu(), linear(2));

/** Plays a game and looks at it now and then; it depends on its arguments only. */
export async function playPlanar(
  arm: CriticArm,
  setting: PlanarSetting,
  seed: number,
  progress: (done: number, total: number) => void,
): Promise<RunResult> {
  const { rounds, criticSteps, rate, beta1, beta2 } = setting;
  const target = TARGETS[setting.target];
  const streams = streamsOf(seed);
  const critic = criticOf(arm);
  const optimizer = (steps: number) => adam({ learningRate: falling(rate, steps), beta1, beta2 });
  const game = new Game(
    {
      critic,
      generator,
      shape: [2],
      latentShape: [LATENT],
      batch: BATCH,
      criticSteps,
      loss: ganLosses[setting.loss],
      criticOptimizer: optimizer(rounds * criticSteps),
      generatorOptimizer: optimizer(rounds),
      penalty: arm.penalty?.(critic, [2]),
    },
    [random.key(2 * seed), random.key(2 * seed + 1)],
  );
  const draws = drawsOf(streams, LATENT, (count) => target.draw(streams.data, count));
  const latents = normals(streams.judge, LATENT * SAMPLES);
  const real = target.draw(streams.judge, SAMPLES);
  const places = Array.from({ length: PLACES }, (_, i) => [Float64Array.of(real[2 * i], real[2 * i + 1])]);
  const looks: Look[] = [];
  try {
    for (let round = 0; round <= rounds; round++) {
      if (round === Math.round((looks.length * rounds) / setting.looks)) {
        const points = await game.generate(latents);
        looks.push(points.every(Number.isFinite) ? { round, points, ...(await interval()) } : { round });
        if (looks.at(-1)!.points === undefined) break;
      }
      if (round < rounds) await game.round(draws);
      progress(round, rounds);
    }
  } finally {
    game.dispose();
  }
  return {
    metrics: metricsOf(looks.at(-1)!, target, real),
    detail: detailOf(looks, target, seed === FIRST_SEED),
  };

  async function interval() {
    const { params, state } = game.critic;
    const how = { inputShape: [2], guarantee: "proof", seed, points: places } as const;
    const { lower, upper } = await bound(critic, params, state, how);
    return { lower, upper };
  }
}

/** The game at one moment; without points when it has diverged. */
interface Look {
  readonly round: number;
  readonly points?: Float32Array;
  readonly lower?: number;
  readonly upper?: number | null;
}

function metricsOf(last: Look, target: Target, real: Float32Array): Metrics {
  const { points, lower = null, upper = null } = last;
  if (points === undefined) return { modes: 0, hq: 0, reverseKl: null, least: 0, w1: null, diverged: 1 };
  const w1 = slicedWasserstein(points, real, planeDirections(DIRECTIONS));
  const covered = target.modes.length > 0 ? coverage(points, target) : undefined;
  return {
    modes: covered?.modes ?? null,
    hq: covered?.hq ?? null,
    reverseKl: covered?.reverseKl ?? null,
    least: covered?.least ?? null,
    w1,
    lower,
    upper,
    diverged: 0,
  };
}

function detailOf(looks: readonly Look[], target: Target, pictures: boolean): Json {
  const covered = looks.map(({ points }) =>
    points !== undefined && target.modes.length > 0 ? coverage(points, target) : undefined,
  );
  return {
    rounds: looks.map(({ round }) => round),
    modes: covered.map((each) => each?.modes ?? null),
    hq: covered.map((each) => each?.hq ?? null),
    lower: looks.map(({ lower }) => lower ?? null),
    upper: looks.map(({ upper }) => upper ?? null),
    clouds: pictures ? looks.map(({ points = [] }) => Array.from(points.slice(0, 2 * SHOWN), rounded)) : [],
  };
}

function rounded(value: number): number {
  return Math.round(1000 * value) / 1000;
}
