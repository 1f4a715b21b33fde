import { RandomStream } from "../../linalg/random.ts";
import { sequential } from "../compositions.ts";
import { spectralNorm } from "../controls/spectral-norm.ts";
import { type Dataset, dataset } from "../data/dataset.ts";
import { linear } from "../layers/linear.ts";
import { relu } from "../layers/relu.ts";
import { crossEntropy } from "../losses/cross-entropy.ts";
import type { Module } from "../module.ts";
import { adam } from "../optimizers/adam.ts";
import type { TrainerOptions } from "../trainer/options.ts";

export const FEATURES = 6;
export const CLASSES = 3;

/** Points around three centres, with their classes: learnt within a hundred steps. */
export function toyData(examples = 96): Dataset {
  const stream = new RandomStream(11n);
  const y = Int32Array.from({ length: examples }, (_, i) => i % CLASSES);
  const x = Float32Array.from({ length: examples * FEATURES }, (_, i) => {
    const [example, feature] = [Math.floor(i / FEATURES), i % FEATURES];
    return stream.normal() * 0.5 + (feature === y[example] ? 2 : 0);
  });
  return dataset({ x: { data: x, shape: [examples, FEATURES] }, y: { data: y } }, { classes: CLASSES });
}

/** A network of two layers, the first under spectral control. */
export function toyNet(hidden = 8): Module {
  return sequential(linear(hidden, { control: spectralNorm({ cap: 2 }) }), relu(), linear(CLASSES));
}

/** What a trainer of the toy network is made from; `changed` replaces parts. */
export function toyOptions(changed: Partial<TrainerOptions> = {}): TrainerOptions {
  return {
    net: toyNet(),
    inputShape: [FEATURES],
    loss: ({ outputs, batch }) => crossEntropy(outputs, batch.y),
    optimizer: adam({ learningRate: 0.01 }),
    seed: 3,
    ...changed,
  };
}
