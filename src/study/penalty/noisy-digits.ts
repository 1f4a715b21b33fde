import { deriveSeed } from "../../audit/seeds.ts";
import type { Digits } from "../../digits/digits.ts";
import { RandomStream } from "../../linalg/random.ts";
import { DIGIT_PIXELS, loadDigits } from "../../train.ts";

const CLASSES = 10;

export interface NoisyDigits {
  /** With a share of wrong labels. */
  readonly train: Digits;
  /** Other digits of the training part; right labels. */
  readonly validation: Digits;
  /** The digits' own test part; right labels. */
  readonly test: Digits;
}

export interface NoisyDigitsOptions {
  readonly examples: number;
  /** As many again, of those that are left. */
  readonly validation: number;
  /** Share of the training labels that are wrong, 0 to 1. */
  readonly noise: number;
  readonly seed: number;
}

/** Digits few enough to be learnt by heart, some of their labels wrong, so that learning by heart costs accuracy. */
export async function noisyDigits(options: NoisyDigitsOptions): Promise<NoisyDigits> {
  const { examples, validation, noise, seed } = options;
  const { train, test } = await loadDigits();
  const order = shuffled(train.count, new RandomStream(deriveSeed(BigInt(seed), 1)));
  const chosen = pick(train, order.slice(0, examples));
  const y = withWrongLabels(chosen.y, noise, new RandomStream(deriveSeed(BigInt(seed), 2)));
  return {
    train: { ...chosen, y },
    validation: pick(train, order.slice(examples, examples + validation)),
    test,
  };
}

/** The labels with exactly round(share·n) of them, at random places, replaced by a random one of the other nine. */
export function withWrongLabels(
  labels: Int32Array<ArrayBuffer>,
  share: number,
  stream: RandomStream,
): Int32Array<ArrayBuffer> {
  const wrong = labels.slice();
  for (const i of shuffled(labels.length, stream).slice(0, Math.round(share * labels.length))) {
    wrong[i] = (labels[i] + 1 + Math.floor(stream.uniform() * (CLASSES - 1))) % CLASSES;
  }
  return wrong;
}

/**
 * The accuracy to be expected on labels of which a share is wrong at random, from that on right ones: what the accuracy on
 * noisy training labels is to be compared with. 1 − share for a classifier that is always right.
 */
export function expectedWithWrongLabels(accuracy: number, share: number): number {
  return accuracy * (1 - share) + ((1 - accuracy) * share) / (CLASSES - 1);
}

function shuffled(count: number, stream: RandomStream): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let last = count - 1; last > 0; last--) {
    const other = Math.floor(stream.uniform() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

function pick({ x, y }: Digits, indices: readonly number[]): Digits {
  const pixels = new Float32Array(indices.length * DIGIT_PIXELS);
  indices.forEach((from, to) => {
    pixels.set(x.subarray(from * DIGIT_PIXELS, (from + 1) * DIGIT_PIXELS), to * DIGIT_PIXELS);
  });
  return { count: indices.length, x: pixels, y: Int32Array.from(indices, (i) => y[i]) };
}
