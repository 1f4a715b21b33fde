import { deriveSeed } from "../../audit/seeds.ts";
import { RandomStream } from "../../linalg/random.ts";
import { type DataArray, type Dataset, DIGIT_PIXELS, dataset, loadDigits, type Shape } from "../../train.ts";
import { accuracy, normalizedError } from "../scores.ts";
import type { Probe } from "./gradients.ts";

/** Something to learn, with what decides about learning rates apart from what is reported. */
export interface LearningTask {
  readonly inputShape: Shape;
  readonly outputs: number;
  /** null for a regression. */
  readonly classes: number | null;
  readonly train: Dataset;
  readonly validation: Examples;
  readonly test: Examples;
  /** A few training examples to look at the layers with. */
  readonly probe: Probe;
  /** Accuracy, or the error as a share of the targets' spread. */
  score(predicted: DataArray, targets: Examples): number;
}

export interface Examples {
  readonly x: DataArray;
  readonly y: DataArray;
}

const CLASSES = 10;
/** The last of the 8,000 training digits. */
const VALIDATION_DIGITS = 1000;
const PROBE_SIZE = 64;

/** The package's digits: 7,000 to learn from, 1,000 that choose learning rates, 2,000 to test. */
export async function digitTask(): Promise<LearningTask> {
  const { train, test } = await loadDigits();
  const kept = train.count - VALIDATION_DIGITS;
  const part = (from: number, to: number): Examples => ({
    x: { data: train.x.slice(from * DIGIT_PIXELS, to * DIGIT_PIXELS), shape: [to - from, DIGIT_PIXELS] },
    y: { data: train.y.slice(from, to), shape: [to - from], classes: CLASSES },
  });
  const learnt = part(0, kept);
  return {
    inputShape: [DIGIT_PIXELS],
    outputs: CLASSES,
    classes: CLASSES,
    train: dataset({ x: learnt.x, y: learnt.y }, { classes: CLASSES }),
    validation: part(kept, train.count),
    test: {
      x: { data: test.x, shape: [test.count, DIGIT_PIXELS] },
      y: { data: test.y, shape: [test.count], classes: CLASSES },
    },
    probe: part(0, PROBE_SIZE),
    score: (predicted, { y }) => accuracy(predicted, y.data),
  };
}

const RIPPLE_EXAMPLES = { train: 2000, validation: 500, test: 1000 };

/** A toy regression on [−1, 1]²: y = sin(3 x₀)·cos(2 x₁), without noise. */
export function ripples(seed: number): LearningTask {
  const examples = (count: number, path: number): Examples => {
    const stream = new RandomStream(deriveSeed(BigInt(seed), path));
    const x = Float32Array.from({ length: 2 * count }, () => 2 * stream.uniform() - 1);
    const y = Float32Array.from(
      { length: count },
      (_, i) => Math.sin(3 * x[2 * i]) * Math.cos(2 * x[2 * i + 1]),
    );
    return { x: { data: x, shape: [count, 2] }, y: { data: y, shape: [count, 1] } };
  };
  const train = examples(RIPPLE_EXAMPLES.train, 0);
  return {
    inputShape: [2],
    outputs: 1,
    classes: null,
    train: dataset({ x: train.x, y: train.y }),
    validation: examples(RIPPLE_EXAMPLES.validation, 1),
    test: examples(RIPPLE_EXAMPLES.test, 2),
    probe: examples(PROBE_SIZE, 3),
    score: (predicted, { y }) => normalizedError(predicted.data, y.data),
  };
}
