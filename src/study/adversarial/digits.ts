import { random } from "@jax-js/jax";
import { DIGIT_PIXELS, type Digits, loadDigits } from "../../digits/digits.ts";
import { RandomStream } from "../../linalg/random.ts";
import { digitPicture } from "../../tour/html/pictures.ts";
import {
  adam,
  bound,
  type Control,
  conv2d,
  convTranspose2d,
  flatten,
  ganLosses,
  linear,
  type Module,
  relu,
  sequential,
  spectralNorm,
  tanh,
} from "../../train.ts";
import { randomDirections, slicedWasserstein } from "../mixtures/distances.ts";
import type { RunResult } from "../study.ts";
import type { CriticArm } from "./arms.ts";
import { digitJudge } from "./digit-judge.ts";
import { drawsOf, normals, streamsOf } from "./draws.ts";
import { Game } from "./game.ts";
import { falling } from "./schedule.ts";
import { FIRST_SEED } from "./seeds.ts";

/** A convolutional game on pictures of digits. */
export interface DigitSetting {
  /** Which norm of a kernel spectral normalization divides by; null for other arms. */
  readonly norm: "operator" | "reshaped" | null;
  readonly rounds: number;
  /** Where no sweep finds one. */
  readonly rate?: number;
}

/** What the figures draw. */
export interface DigitDetail {
  /** Data URIs. */
  readonly pictures: readonly string[];
}

const SHAPE = [1, 28, 28];
const LATENT = 32;
const BATCH = 32;
const CRITIC_STEPS = 1;
/** Pictures that are judged, and of them those shown. */
const SAMPLES = 2000;
const SHOWN = 40;
/** Directions of the sliced W1 between the pixels of pictures. */
const DIRECTIONS = 50;

function criticOf(control: Control, activation: () => Module): Module {
  const window = { strides: 2, padding: 1, control };
  return sequential(
    conv2d(16, 4, window),
    activation(),
    conv2d(32, 4, window),
    activation(),
    flatten(),
    linear(1, { control }),
  );
}

const generator = sequential(
  convTranspose2d(32, 7),
  relu(),
  convTranspose2d(16, 4, { strides: 2, padding: 1 }),
  relu(),
  convTranspose2d(1, 4, { strides: 2, padding: 1 }),
  tanh(),
);

/** Plays the game; the rate falls to zero over the second half. Depends on its arguments only. */
export async function playDigits(
  arm: CriticArm,
  { norm, rounds }: DigitSetting,
  learningRate: number,
  seed: number,
  progress: (done: number, total: number) => void,
): Promise<RunResult> {
  const [{ train, test }, judge] = await Promise.all([loadDigits(), digitJudge()]);
  const streams = streamsOf(seed);
  const critic = criticOf(withNorm(arm.control, norm), arm.activation);
  const optimizer = (steps: number) =>
    adam({ learningRate: falling(learningRate, steps), beta1: 0.5, beta2: 0.9 });
  const game = new Game(
    {
      critic,
      generator,
      shape: SHAPE,
      latentShape: [LATENT, 1, 1],
      batch: BATCH,
      criticSteps: CRITIC_STEPS,
      loss: ganLosses.hinge,
      criticOptimizer: optimizer(CRITIC_STEPS * rounds),
      generatorOptimizer: optimizer(rounds),
      penalty: arm.penalty?.(critic, SHAPE),
    },
    [random.key(2 * seed), random.key(2 * seed + 1)],
  );
  try {
    const draws = drawsOf(streams, LATENT, (count) => someOf(train, streams.data, count));
    for (let round = 0; round < rounds; round++) {
      await game.round(draws);
      progress(round + 1, rounds);
    }
    const made = await game.generate(normals(streams.judge, LATENT * SAMPLES));
    if (!made.every(Number.isFinite)) return { metrics: DIVERGED, detail: { pictures: [] } };
    const pictures = made.map((value) => (value + 1) / 2);
    const directions = randomDirections(new RandomStream(0n), DIGIT_PIXELS, DIRECTIONS);
    const { params, state } = game.critic;
    const { lower, upper } = await bound(critic, params, state, { inputShape: SHAPE, seed });
    return {
      metrics: {
        ...(await judge.judge(pictures)),
        floor: judge.floor,
        w1: slicedWasserstein(pictures, test.x, directions),
        lower,
        upper,
        diverged: 0,
      },
      detail: { pictures: seed === FIRST_SEED ? picturesOf(pictures) : [] },
    };
  } finally {
    game.dispose();
  }
}

const DIVERGED = {
  modes: 0,
  hq: 0,
  reverseKl: null,
  w1: null,
  fd: null,
  fdTraining: null,
  diverged: 1,
};

function withNorm(control: Control, norm: DigitSetting["norm"]): Control {
  return control.kind === "spectralNorm" && norm !== null
    ? spectralNorm({ cap: control.cap, norm })
    : control;
}

/** Digits drawn with replacement, from −1 (paper) to 1 (ink) as the generator's. */
function someOf({ x, count: all }: Digits, stream: RandomStream, count: number): Float32Array<ArrayBuffer> {
  const pictures = new Float32Array(count * DIGIT_PIXELS);
  for (let i = 0; i < count; i++) {
    const start = DIGIT_PIXELS * Math.floor(all * stream.uniform());
    pictures.set(x.subarray(start, start + DIGIT_PIXELS), i * DIGIT_PIXELS);
  }
  return pictures.map((value) => 2 * value - 1);
}

function picturesOf(pictures: Float32Array): string[] {
  return Array.from({ length: SHOWN }, (_, i) =>
    digitPicture(Float64Array.from(pictures.subarray(i * DIGIT_PIXELS, (i + 1) * DIGIT_PIXELS))),
  );
}
