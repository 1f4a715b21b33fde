import { numpy as np } from "@jax-js/jax";
import type { RandomStream } from "../../linalg/random.ts";
import {
  adam,
  bound,
  cosine,
  createTrainer,
  type DataArray,
  DivergenceError,
  ganLosses,
  linear,
  type Module,
  sequential,
} from "../../train.ts";
import { pointAndSphere, shiftedCones, type Transport } from "../mixtures/transport.ts";
import { mean } from "../statistics.ts";
import type { Metrics } from "../study.ts";
import type { CriticArm } from "./arms.ts";
import { streamsOf } from "./draws.ts";

/** A critic that is trained to tell two distributions apart whose distance is known. */
export interface DistanceSetting {
  readonly problem: keyof typeof PROBLEMS;
  readonly steps: number;
  /** Where no sweep finds one. */
  readonly rate?: number;
}

export const PROBLEMS = {
  plane: pointAndSphere(2),
  space: pointAndSphere(10),
  cones: shiftedCones,
} as const satisfies Record<string, Transport>;

const WIDTH = 64;
const BATCH = 128;
/** Points of either distribution that judge; none of them trained. */
const JUDGES = 10000;

/**
 * Trains a critic f on E f(near) − E f(far) and measures that on fresh points. Divided by a Lipschitz bound of f it is at most
 * the W1 of the two (Kantorovich & Rubinstein), sampling aside.
 */
export async function estimateDistance(
  { control, activation }: CriticArm,
  { problem, steps }: DistanceSetting,
  learningRate: number,
  seed: number,
  progress: (done: number, total: number) => void,
): Promise<Metrics> {
  const transport = PROBLEMS[problem];
  const inputShape = [transport.dimension];
  const streams = streamsOf(seed);
  const hidden = (): Module[] => [linear(WIDTH, { control }), activation()];
  const critic = sequential(...hidden(), ...hidden(), linear(1, { control }));
  const trainer = createTrainer({
    net: critic,
    inputShape,
    loss: ({ outputs }) => {
      const [near, far] = np.split(outputs, 2, 0);
      return ganLosses.wasserstein.critic(near, far);
    },
    optimizer: adam({ learningRate: cosine({ initial: learningRate, steps }), beta1: 0.5, beta2: 0.9 }),
    seed,
  });
  try {
    for (let step = 0; step < steps; step++) {
      await trainer.step({ x: both(transport, streams.data, BATCH) });
      progress(step + 1, steps);
    }
    const { data } = await trainer.predict(both(transport, streams.judge, JUDGES));
    const value = mean([...data.subarray(0, JUDGES)])! - mean([...data.subarray(JUDGES)])!;
    const how = { inputShape, guarantee: "proof", seed } as const;
    const { upper } = await bound(critic, trainer.params, trainer.state, how);
    return { ...UNUSED, w1: value, upper, certified: upper === null ? null : value / upper, diverged: 0 };
  } catch (error) {
    if (error instanceof DivergenceError) {
      return { ...UNUSED, w1: null, upper: null, certified: null, diverged: 1 };
    }
    throw error;
  } finally {
    await trainer.dispose();
  }
}

/** Every run of the study has these; here nothing is generated. */
const UNUSED = { modes: null, hq: null, reverseKl: null };

/** `count` points of each, those of one after those of the other. */
function both({ dimension, draw }: Transport, stream: RandomStream, count: number): DataArray {
  const { near, far } = draw(stream, count);
  const data = new Float32Array(near.length + far.length);
  data.set(near);
  data.set(far, near.length);
  return { data, shape: [2 * count, dimension] };
}
