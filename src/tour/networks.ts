import { sequential } from "../train/compositions.ts";
import { bjorck } from "../train/controls/bjorck.ts";
import type { Control } from "../train/controls/control.ts";
import { spectralNorm } from "../train/controls/spectral-norm.ts";
import { uncontrolled } from "../train/controls/uncontrolled.ts";
import { linear } from "../train/layers/linear.ts";
import { relu } from "../train/layers/relu.ts";
import { maxMin } from "../train/layers/sorting.ts";
import { crossEntropy } from "../train/losses/cross-entropy.ts";
import { multiclassHinge } from "../train/losses/multiclass-hinge.ts";
import type { Module } from "../train/module.ts";
import type { Tensor } from "../train/types.ts";
import type { TourName } from "./schema.ts";

/** How one network of the tour is made and trained. */
export interface Recipe {
  readonly name: TourName;
  readonly net: Module;
  /** Of logits and labels; consumes both. */
  readonly loss: (logits: Tensor, labels: Tensor) => Tensor;
  /** Of Adam, at the start; it falls to 0 along a half cosine. */
  readonly learningRate: number;
  readonly epochs: number;
}

/** Units of the two hidden layers. */
const HIDDEN = 256;
const CLASSES = 10;
/** Digits in each step of training. */
export const BATCH = 64;

function classifier(control: Control, activation: () => Module): Module {
  return sequential(
    linear(HIDDEN, { control }),
    activation(),
    linear(HIDDEN, { control }),
    activation(),
    linear(CLASSES, { control }),
  );
}

function hinge(margin: number): Recipe["loss"] {
  return (logits, labels) => multiclassHinge(logits, labels, { margin });
}

/**
 * The same three layers three times. Margins are distances asked for between the classes' outputs: the orthonormal network
 * keeps the length of gradients and can give more of it at the same accuracy than the one that is only scaled.
 */
export const RECIPES: readonly Recipe[] = [
  {
    name: "plain",
    net: classifier(uncontrolled, relu),
    loss: crossEntropy,
    learningRate: 4e-3,
    epochs: 15,
  },
  {
    name: "spectral",
    net: classifier(spectralNorm(), maxMin),
    loss: hinge(1),
    learningRate: 3e-3,
    epochs: 15,
  },
  {
    name: "orthonormal",
    net: classifier(bjorck(), maxMin),
    loss: hinge(2),
    learningRate: 6e-3,
    epochs: 11,
  },
];
