import type { RandomStream } from "../../linalg/random.ts";
import { crossEntropy, type DataArray, type Digits, meanSquaredError, type Tensor } from "../../train.ts";
import { accuracy } from "../scores.ts";

/** Sequences with their answers, batch axis first. */
export interface SequenceBatch {
  readonly [name: string]: DataArray;
  /** [batch, steps, features]. */
  readonly x: DataArray;
  /** The answers: after every step [batch, steps], or after the last one [batch] or [batch, 1]. */
  readonly y: DataArray;
}

/** What a recurrent network is to do with a sequence. */
export interface SequenceTask {
  /** [steps, features]. */
  readonly inputShape: readonly [steps: number, features: number];
  /** Numbers the network gives per answer. */
  readonly outputs: number;
  /** Whether it answers after every step, or after the last one. */
  readonly answers: "each" | "last";
  /** What is best added to every answer of a network that knows nothing of its input: how often answers occur (as logits), or their mean. */
  readonly prior: readonly number[];
  /**
   * A linear layer with ReLU that every input goes through before the recurrent one: its units, and what is added to the usual
   * start of its biases.
   */
  readonly front: { readonly units: number; readonly bias: number } | null;
  /**
   * The recurrent kernel with all singular values 1 that suits the task as a start: to keep an order takes rotations, to sum up
   * takes the identity (Henaff, Szlam & LeCun 2016, arXiv:1602.06662).
   */
  readonly isometry: "orthonormal" | "identity";
  /** The smallest loss of a network that has forgotten what it was to keep. */
  readonly memoryless: number;
  /** Fresh examples, from the stream alone. */
  draw(random: RandomStream, size: number): SequenceBatch;
  /** Mean over the batch; consumes outputs ([batch, outputs], or [batch, steps, outputs]) and answers. */
  loss(outputs: Tensor, y: Tensor): Tensor;
  /** The loss of the answer after the last step alone, from the outputs [batch, outputs] there and `lastAnswers`. */
  lastLoss(outputs: Tensor, y: Tensor): Tensor;
  /** The answers after the last step: [batch] or [batch, 1]. */
  lastAnswers(y: DataArray): DataArray;
  /** The share of answers that are right; of every step's answers only those that need memory count. */
  accuracy(outputs: DataArray, y: DataArray): number;
}

const SYMBOLS = 8;
/** Among the answers. */
const BLANK = SYMBOLS;
/** Among the inputs, where a blank is no input at all. */
const GO = SYMBOLS;

/** Symbols to be remembered. */
export const COPIED = 10;

/**
 * Copy memory (Hochreiter & Schmidhuber 1997; Arjovsky et al. 2016, arXiv:1511.06464): ten symbols out of eight, `delay` − 1
 * blanks, the sign to go, and ten blanks during which the symbols are to be repeated; before, the answer is a blank. Inputs are
 * one-hot, a blank all zeros, so that nothing drives the state while it is to remember. Accuracy is
 * that of the last ten answers. A network without memory guesses these: 10·ln 8/(delay + 20) per answer.
 */
export function copyTask(delay: number): SequenceTask {
  const steps = delay + 2 * COPIED;
  const features = SYMBOLS + 1;
  return {
    inputShape: [steps, features],
    outputs: SYMBOLS + 1,
    prior: [...Array(SYMBOLS).fill(Math.log(COPIED / SYMBOLS / steps)), Math.log(1 - COPIED / steps)],
    answers: "each",
    front: null,
    isometry: "orthonormal",
    memoryless: (COPIED * Math.log(SYMBOLS)) / steps,
    draw(random, size) {
      const x = new Float32Array(size * steps * features);
      const y = new Int32Array(size * steps).fill(BLANK);
      for (let b = 0; b < size; b++) {
        for (let t = 0; t < steps; t++) {
          if (t === COPIED + delay - 1) x[(b * steps + t) * features + GO] = 1;
          if (t >= COPIED) continue;
          const symbol = Math.floor(SYMBOLS * random.uniform());
          x[(b * steps + t) * features + symbol] = 1;
          y[b * steps + COPIED + delay + t] = symbol;
        }
      }
      return { x: { data: x, shape: [size, steps, features] }, y: { data: y, shape: [size, steps] } };
    },
    loss: (outputs, y) => crossEntropy(outputs, y),
    lastLoss: crossEntropy,
    lastAnswers: ({ data, shape: [size] }) => ({
      data: Int32Array.from({ length: size }, (_, b) => data[(b + 1) * steps - 1]),
      shape: [size],
    }),
    accuracy(outputs, { data: labels }) {
      const [size, , classes] = outputs.shape;
      let right = 0;
      for (let b = 0; b < size; b++) {
        const end = (b + 1) * steps;
        const part = outputs.data.subarray((end - COPIED) * classes, end * classes);
        right += accuracy({ data: part, shape: [COPIED, classes] }, labels.subarray(end - COPIED, end));
      }
      return right / size;
    },
  };
}

/** How far from the target a sum may be to count as right. */
const NEAR = 0.1;

/**
 * The adding problem (Hochreiter & Schmidhuber 1997): a sequence of numbers uniform in [0, 1], one of the first half and one of the
 * second marked; the answer after the last step is their sum. Accuracy is the share within 0.1 of it. A network without memory
 * says 1, with mean square error 1/6.
 */
export function addingTask(steps: number): SequenceTask {
  const half = Math.floor(steps / 2);
  return {
    inputShape: [steps, 2],
    outputs: 1,
    prior: [1],
    answers: "last",
    // A single tanh has no way to multiply a number by its mark. With biases one lower most units are silent until a mark comes:
    // else the sum of everything that is not marked, over all steps, drowns what is.
    front: { units: 128, bias: -1 },
    isometry: "identity",
    memoryless: 1 / 6,
    draw(random, size) {
      const x = new Float32Array(size * steps * 2);
      const y = new Float32Array(size);
      for (let b = 0; b < size; b++) {
        const marked = [
          Math.floor(half * random.uniform()),
          half + Math.floor((steps - half) * random.uniform()),
        ];
        for (let t = 0; t < steps; t++) x[(b * steps + t) * 2] = random.uniform();
        for (const t of marked) {
          x[(b * steps + t) * 2 + 1] = 1;
          y[b] += x[(b * steps + t) * 2];
        }
      }
      return { x: { data: x, shape: [size, steps, 2] }, y: { data: y, shape: [size, 1] } };
    },
    loss: meanSquaredError,
    lastLoss: meanSquaredError,
    lastAnswers: (y) => y,
    accuracy({ data }, { data: targets }) {
      const near = Array.from(targets).filter((target, i) => Math.abs(data[i] - target) < NEAR);
      return near.length / targets.length;
    },
  };
}

const SIDE = 28;
const CLASSES = 10;

/**
 * Digits read row by row from the top: 28 steps of 28 pixels, which digit it is after the last. Examples are drawn with
 * replacement. A network that has seen nothing guesses: ln 10.
 */
export function rowsTask(digits: Digits): SequenceTask {
  return {
    inputShape: [SIDE, SIDE],
    outputs: CLASSES,
    prior: Array(CLASSES).fill(0),
    answers: "last",
    front: null,
    isometry: "orthonormal",
    memoryless: Math.log(CLASSES),
    draw(random, size) {
      const chosen = Array.from({ length: size }, () => Math.floor(digits.count * random.uniform()));
      return digitRows(digits, chosen);
    },
    loss: crossEntropy,
    lastLoss: crossEntropy,
    lastAnswers: (y) => y,
    accuracy: (outputs, { data }) => accuracy(outputs, data),
  };
}

/** These digits as sequences. */
export function digitRows(digits: Digits, chosen: readonly number[]): SequenceBatch {
  const pixels = SIDE * SIDE;
  const x = new Float32Array(chosen.length * pixels);
  for (const [b, i] of chosen.entries()) x.set(digits.x.subarray(i * pixels, (i + 1) * pixels), b * pixels);
  const y = Int32Array.from(chosen, (i) => digits.y[i]);
  return { x: { data: x, shape: [chosen.length, SIDE, SIDE] }, y: { data: y, shape: [chosen.length] } };
}
