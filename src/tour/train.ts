import { DIGIT_PIXELS, type Digits } from "../digits/digits.ts";
import { dataset } from "../train/data/dataset.ts";
import { adam } from "../train/optimizers/adam.ts";
import { cosine } from "../train/schedules/schedules.ts";
import { createTrainer, type Trainer } from "../train/trainer/trainer.ts";
import type { Tree } from "../train/types.ts";
import { BATCH, type Recipe } from "./networks.ts";
import type { TrainingCurves } from "./schema.ts";

/** A trained network, its arrays alive until disposed. */
export interface Trained {
  readonly params: Tree;
  readonly state: Tree;
  readonly curves: TrainingCurves;
  /** Of training alone. */
  readonly seconds: number;
  dispose(): Promise<void>;
}

export interface TrainOptions {
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
  readonly onStep: (step: number, steps: number) => void;
}

const CLASSES = 10;
/** Steps between two points of the curves. */
const EVERY = 10;

/** @throws DivergenceError; `signal.reason` when aborted. */
export async function trainDigits(recipe: Recipe, train: Digits, options: TrainOptions): Promise<Trained> {
  const start = performance.now();
  const digits = dataset(
    {
      x: { data: train.x, shape: [train.count, DIGIT_PIXELS] },
      y: { data: train.y, shape: [train.count] },
    },
    { classes: CLASSES },
  );
  const steps = recipe.epochs * Math.floor(train.count / BATCH);
  const trainer = createTrainer({
    net: recipe.net,
    inputShape: [DIGIT_PIXELS],
    loss: ({ outputs, batch }) => recipe.loss(outputs, batch.y),
    optimizer: adam({ learningRate: cosine({ initial: recipe.learningRate, steps }) }),
    monitor: { every: EVERY },
    seed: options.seed,
  });
  try {
    const batches = digits.batches({ size: BATCH, seed: options.seed });
    for (let step = 0; step < steps; step++) {
      options.signal?.throwIfAborted();
      options.onStep(step, steps);
      await trainer.step(batches.at(step));
    }
  } catch (error) {
    await trainer.dispose();
    throw error;
  }
  return {
    params: trainer.params,
    state: trainer.state,
    curves: curvesOf(trainer),
    seconds: (performance.now() - start) / 1000,
    dispose: () => trainer.dispose(),
  };
}

function curvesOf({ history }: Trainer): TrainingCurves {
  const { steps, loss, sigma } = history;
  return { steps, loss, sigma: Object.entries(sigma).map(([layer, values]) => ({ layer, values })) };
}
