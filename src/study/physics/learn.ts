import {
  adam,
  type Control,
  cosine,
  createTrainer,
  DivergenceError,
  dataset,
  frobenius,
  meanSquaredError,
} from "../../train.ts";
import type { Pairs } from "./pairs.ts";
import { type Activation, numbersOf, type Perceptron, perceptron } from "./perceptron.ts";

export interface LearnOptions {
  readonly hidden: readonly number[];
  readonly activation: Activation;
  readonly control: Control;
  /** λ of λ/2·‖W‖². */
  readonly decay: number;
  readonly rate: number;
  readonly steps: number;
  /** The one-step error on the validation pairs at which the first of the two networks is taken. */
  readonly target: number;
  readonly seed: number;
  readonly progress: (step: number) => void;
}

/** A network and its one-step error on the validation pairs. */
export interface Snapshot {
  readonly f: Perceptron;
  readonly step: number;
  readonly error: number;
}

export interface Learnt {
  /** The first at the target, or the best where none came to it. */
  readonly equal: Snapshot;
  readonly reached: boolean;
  /** At the end of the budget; where training broke, the one before that. */
  readonly full: Snapshot;
  readonly diverged: boolean;
}

const BATCH = 256;
/** Steps between two looks at the validation pairs. */
const EVERY = 25;

/** Trains f on pairs, with Adam at a falling rate. */
export async function learn(train: Pairs, validation: Pairs, options: LearnOptions): Promise<Learnt> {
  const { inputs, outputs } = train;
  const { steps, activation, decay } = options;
  const net = perceptron([...options.hidden, outputs], activation, options.control);
  const uses = net.weights([inputs]);
  const trainer = createTrainer({
    net,
    inputShape: [inputs],
    loss: ({ outputs: y, batch }) => meanSquaredError(y, batch.y),
    optimizer: adam({ learningRate: cosine({ initial: options.rate, steps }) }),
    ...(decay > 0 ? { penalty: ({ params }) => frobenius(uses, params, decay) } : {}),
    seed: options.seed,
  });
  const batches = dataset({
    x: { data: train.x, shape: [train.count, inputs] },
    y: { data: train.y, shape: [train.count, outputs] },
  }).batches({ size: Math.min(BATCH, train.count), seed: options.seed });
  const asked = { data: validation.x, shape: [validation.count, inputs] };
  const errorNow = async () => relativeError((await trainer.predict(asked)).data, validation.y);
  const snapshot = async (step: number, error: number): Promise<Snapshot> => ({
    f: await numbersOf(net, trainer, inputs, activation),
    step,
    error,
  });
  try {
    let best: Snapshot | null = null;
    let reached = false;
    let diverged = false;
    try {
      for (let step = 1; step <= steps; step++) {
        options.progress(step);
        await trainer.step(batches.at(step - 1));
        if (reached || step % EVERY !== 0) continue;
        const error = await errorNow();
        reached = error <= options.target;
        if (best === null || error < best.error) best = await snapshot(step, error);
      }
    } catch (error) {
      if (!(error instanceof DivergenceError)) throw error;
      diverged = true;
    }
    const full = await snapshot(trainer.steps, await errorNow());
    return { equal: best ?? full, reached, full, diverged };
  } finally {
    await trainer.dispose();
  }
}

/** ‖ŷ − y‖/‖y‖ over all numbers: 1 for a network that says nothing changes. */
export function relativeError(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  let [off, all] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    off += (found[i] - wanted[i]) ** 2;
    all += wanted[i] ** 2;
  }
  return Math.sqrt(off / all);
}
