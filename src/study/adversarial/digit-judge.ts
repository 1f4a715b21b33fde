import { tree } from "@jax-js/jax";
import { compile, type NativeArray, toNative } from "../../compile.ts";
import { type Digits, loadDigits } from "../../digits/digits.ts";
import {
  adam,
  conv2d,
  cosine,
  createTrainer,
  crossEntropy,
  dataset,
  flatten,
  linear,
  relu,
  sequential,
  type Tensor,
  type Tree,
  type Variables,
} from "../../train.ts";
import { frechetDistance, type Moments, momentsOf } from "../mixtures/frechet.ts";
import { divergenceFromUniform } from "../mixtures/modes.ts";
import { accuracy } from "../scores.ts";

/** What pictures of digits are worth. */
export interface Judgement {
  /** Fréchet distance to the test digits in the classifier's features ("digit-FD"; not the FID, whose features are Inception's). */
  readonly fd: number;
  /** The same to the training digits: what tunes. */
  readonly fdTraining: number;
  /** Digits that at least 2 % of the pictures are taken for. */
  readonly modes: number;
  /** Share of the pictures that the classifier is sure of: a probability of at least 0.9. */
  readonly hq: number;
  /** KL(digits of the pictures ‖ all ten equally often), natural log. */
  readonly reverseKl: number;
}

/** Judges pictures by a classifier of real digits. */
export interface DigitJudge {
  /** Of the test digits. */
  readonly accuracy: number;
  /** The digit-FD between training and test digits: what real pictures get. */
  readonly floor: number;
  /** @param pictures [count, 784] from 0 to 1. */
  judge(pictures: Float32Array<ArrayBuffer>): Promise<Judgement>;
}

const CLASSES = 10;
const FEATURES = 64;
const STEPS = 500;
const BATCH = 100;
const SEED = 7;
const SURE = 0.9;
const PRESENT = 0.02;

const body = sequential(
  conv2d(16, 5, { strides: 2 }),
  relu(),
  conv2d(32, 5, { strides: 2 }),
  relu(),
  flatten(),
  linear(FEATURES),
  relu(),
);
const head = linear(CLASSES);

let cached: Promise<DigitJudge> | undefined;

/** The same judge for every run: trained once in a process, from a seed of its own. */
export function digitJudge(): Promise<DigitJudge> {
  cached ??= trainJudge();
  return cached;
}

async function trainJudge(): Promise<DigitJudge> {
  const { train, test } = await loadDigits();
  const { params, state } = await classifierOf(train);
  const look = compile((given: Variables, x: Tensor) => {
    const [first, last] = [given.params, given.state].map((trees) => trees as Tree[]);
    const features = body.apply(first[0], last[0], x);
    const logits = head.apply(first[1], last[1], features.y.ref);
    tree.dispose([given, features.state, logits.state] as never);
    return { features: features.y, logits: logits.y };
  });
  const see = async (pictures: Float32Array<ArrayBuffer>) => {
    tree.ref([params, state] as never);
    const x = toNative(pictures, [pictures.length / 784, 1, 28, 28]);
    const seen = await look({ params, state } as never, x);
    return { features: await numbers(seen.features), logits: await numbers(seen.logits) };
  };
  const [onTrain, onTest] = [await see(train.x), await see(test.x)];
  const [training, testing] = [onTrain, onTest].map(({ features }) => momentsOf(features, FEATURES));
  return {
    accuracy: accuracy({ data: onTest.logits, shape: [test.count, CLASSES] }, test.y),
    floor: frechetDistance(training, testing),
    async judge(pictures) {
      const { features, logits } = await see(pictures);
      return { ...distances(momentsOf(features, FEATURES), training, testing), ...classesOf(logits) };
    },
  };
}

async function classifierOf(train: Digits): Promise<Variables> {
  const digits = dataset(
    { x: { data: train.x, shape: [train.count, 1, 28, 28] }, y: { data: train.y } },
    { classes: CLASSES },
  );
  const trainer = createTrainer({
    net: sequential(body, head),
    inputShape: [1, 28, 28],
    loss: ({ outputs, batch }) => crossEntropy(outputs, batch.y),
    optimizer: adam({ learningRate: cosine({ initial: 2e-3, steps: STEPS }) }),
    seed: SEED,
  });
  try {
    const batches = digits.batches({ size: BATCH, seed: SEED });
    for (let step = 0; step < STEPS; step++) await trainer.step(batches.at(step));
    return tree.ref({ params: trainer.params, state: trainer.state } as never) as unknown as Variables;
  } finally {
    await trainer.dispose();
  }
}

function distances(made: Moments, training: Moments, testing: Moments): Pick<Judgement, "fd" | "fdTraining"> {
  return { fd: frechetDistance(made, testing), fdTraining: frechetDistance(made, training) };
}

/** @param logits [count, 10] */
function classesOf(logits: Float32Array): Pick<Judgement, "modes" | "hq" | "reverseKl"> {
  const count = logits.length / CLASSES;
  const counts = new Array<number>(CLASSES).fill(0);
  let sure = 0;
  for (let i = 0; i < count; i++) {
    const row = logits.subarray(i * CLASSES, (i + 1) * CLASSES);
    const most = Math.max(...row);
    counts[row.indexOf(most)]++;
    if (1 / row.reduce((sum, value) => sum + Math.exp(value - most), 0) >= SURE) sure++;
  }
  return {
    modes: counts.filter((n) => n >= PRESENT * count).length,
    hq: sure / count,
    reverseKl: divergenceFromUniform(counts),
  };
}

async function numbers(array: NativeArray): Promise<Float32Array> {
  return (await array.data()) as Float32Array;
}
