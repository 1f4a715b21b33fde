import { grad, numpy as np, tree } from "@jax-js/jax";
import { compile, type NativeArray } from "../../compile.ts";
import { dense } from "../../linalg/dense.ts";
import { singularValues } from "../../linalg/singular-values.ts";
import { spectralNorm } from "../../linalg/spectral-norm.ts";
import { effectiveWeight } from "../../train/controlled.ts";
import { logistic } from "../../train/layers/logistic.ts";
import { arrayIn, layerTree } from "../../train/trees.ts";
import type { Tensor, Tree } from "../../train/types.ts";
import type { DataArray, Module } from "../../train.ts";
import { EPSILON, lipschitzKernels, lipschitzStep } from "./lipschitz-rnn.ts";
import type { SequenceBatch, SequenceTask } from "./tasks.ts";
import { native } from "./training.ts";

/** What one step of a recurrent layer does: tanh(W h + U x + b), gates, or a step of the Lipschitz RNN. */
export type StepKind = "tanh" | "gru" | "lipschitz";

/** Arrays by name, weights as the layers use them. */
type StepWeights = Record<string, Tensor>;

/** The state after a step, from the state before it and one input, [batch, …] each, which it consumes; lends the weights. */
type Step = (weights: StepWeights, state: Tensor, input: Tensor) => Tensor;

const STEPS: Readonly<Record<StepKind, Step>> = {
  tanh: (weights, state, input) =>
    np.tanh(affine(weights, "input", input).add(affine(weights, "recurrent", state))),

  gru(weights, state, input) {
    const [resetInput, updateInput, candidateInput] = np.split(affine(weights, "input", input), 3, 1);
    const ofState = affine(weights, "recurrent", state.ref);
    const [resetState, updateState, candidateState] = np.split(ofState, 3, 1);
    const reset = logistic(resetInput.add(resetState));
    const update = logistic(updateInput.add(updateState));
    const candidate = np.tanh(candidateInput.add(reset.mul(candidateState)));
    return candidate.ref.add(update.mul(state.sub(candidate)));
  },

  lipschitz: (weights, state, input) =>
    lipschitzStep({ keep: weights.keep, turn: weights.turn }, state, affine(weights, "input", input)),
};

function affine(weights: StepWeights, name: "front" | "input" | "recurrent" | "readout", x: Tensor): Tensor {
  const product = np.matmul(x, np.transpose(weights[name].ref));
  const bias = weights[`${name}Bias`];
  return bias === undefined ? product : product.add(bias.ref);
}

/** How a recurrent network passes gradients back, at one moment of its training. */
export interface Memory {
  /**
   * ‖∂L_b/∂h_t‖ for every step t, from the last (lag 0) to the first, the mean over the examples b of a batch. L_b is the loss of
   * the example's last answer, which h_t reaches through the steps after t alone.
   */
  readonly gradients: readonly number[];
  /** An upper bound of ‖∂h_t/∂h_{t−1}‖ for every input and state, proved (guarantee "proof"); null where none is known. */
  readonly stepNorm: number | null;
  /** The smallest singular value of the recurrent kernel of a layer h_t = tanh(… + R h_{t−1}), computed; null for others. */
  readonly smallest: number | null;
}

/**
 * Measures a network `sequential(recurrent layer, linear layer)`, or one with a linear layer and ReLU before; holds compiled
 * functions until it is disposed.
 */
export interface MemoryMeter {
  /** Lends params and state. */
  measure(params: Tree, state: Tree, batch: SequenceBatch): Promise<Memory>;
  dispose(): void;
}

/**
 * Differentiates one step at a time. Gradients are scaled to length 1 after every step and their lengths kept as logarithms, so that
 * neither 10⁻⁶⁰ nor 10⁶⁰ is lost in float32.
 */
export function memoryMeter(kind: StepKind, net: Module, task: SequenceTask): MemoryMeter {
  const step: Step = (weights, state, input) =>
    STEPS[kind](weights, state, "front" in weights ? np.maximum(0, affine(weights, "front", input)) : input);
  const weightsInUse = compile((params: Tree, state: Tree) => {
    const weights = stepWeights(net, task, params, state);
    tree.dispose([params, state] as never);
    return weights;
  });
  const forward = compile((weights: StepWeights, state: Tensor, input: Tensor) => {
    const next = step(weights, state, input);
    tree.dispose(weights);
    return next;
  });
  const backward = compile((weights: StepWeights, state: Tensor, input: Tensor, cotangent: Tensor) => {
    const along = (from: Tensor) => np.sum(step(weights, from, input.ref).mul(cotangent.ref));
    const gradient = grad(along)(state) as Tensor;
    tree.dispose([weights, input, cotangent]);
    return gradient;
  });
  const lastGradient = compile((weights: StepWeights, state: Tensor, answers: Tensor) => {
    const loss = (from: Tensor) => task.loss(affine(weights, "readout", from), answers.ref);
    const gradient = grad(loss)(state) as Tensor;
    tree.dispose([weights, answers]);
    return gradient;
  });

  async function backThrough(weights: Weights, { x, y }: SequenceBatch): Promise<number[]> {
    const [size, steps] = x.shape;
    const hidden = weights.readout.shape[1];
    const shape = [size, hidden];
    const inputs = Array.from({ length: steps }, (_, t) => native(inputAt(x, t)));
    const states = [native({ data: new Float32Array(size * hidden), shape })];
    for (const input of inputs) {
      states.push(await forward(lent(weights), states.at(-1)!.ref, input.ref));
    }
    const lengths = new Lengths(size);
    let gradient = await lastGradient(lent(weights), states.at(-1)!.ref, native(task.lastAnswers(y)));
    let direction = lengths.scaled(await gradient.data());
    // The loss is a mean over the examples: the sum of their gradients' lengths is the mean for losses of their own.
    const norms = [lengths.sum()];
    for (let t = steps - 1; t > 0; t--) {
      const cotangent = native({ data: direction, shape });
      gradient = await backward(lent(weights), states[t].ref, inputs[t].ref, cotangent);
      direction = lengths.scaled(await gradient.data());
      norms.push(lengths.sum());
    }
    tree.dispose([inputs, states] as never);
    return norms;
  }

  return {
    async measure(params, state, batch) {
      const weights = (await weightsInUse(tree.ref(params) as never, tree.ref(state) as never)) as Weights;
      const gradients = await backThrough(weights, batch);
      const { stepNorm, smallest } = await normsOf(kind, weights);
      tree.dispose(weights as never);
      return { gradients, stepNorm, smallest };
    },
    dispose() {
      for (const program of [weightsInUse, forward, backward, lastGradient]) program.dispose();
    },
  };
}

type Weights = { [name: string]: NativeArray };

function lent(weights: Weights): Weights {
  return tree.ref(weights as never);
}

/** The weights of the layer's step and of the linear layer that reads its states, as the network uses them. Lends everything. */
function stepWeights(net: Module, task: SequenceTask, params: Tree, state: Tree): StepWeights {
  const layers = (params as Tree[]).map(layerTree);
  const place = layers.length - 2;
  const [layer, readout] = layers.slice(place);
  const layerState = layerTree((state as Tree[])[place]);
  const weights: StepWeights = {
    readout: arrayIn(readout, "weight").ref,
    readoutBias: arrayIn(readout, "bias").ref,
  };
  if (place > 0) {
    weights.front = arrayIn(layers[0], "weight").ref;
    weights.frontBias = arrayIn(layers[0], "bias").ref;
  }
  for (const name of Object.keys(layer)) weights[name] = arrayIn(layer, name).ref;
  for (const { path, slot } of net.weights(task.inputShape)) {
    if (path[0] !== place) continue;
    const { weight, scale } = effectiveWeight(slot, layer, layerState);
    weights[slot.name].dispose();
    weights[slot.name] = scale === undefined ? weight : weight.mul(scale);
  }
  if ("turn" in weights) {
    for (const name of ["keep", "turn"]) weights[name].dispose();
    Object.assign(weights, lipschitzKernels(layer));
  }
  return weights;
}

async function normsOf(kind: StepKind, weights: Weights): Promise<Omit<Memory, "gradients">> {
  const matrix = async (name: string) => {
    const [rows, columns] = weights[name].shape;
    return dense(Float64Array.from(await weights[name].ref.data()), rows, columns);
  };
  const proved = async (name: string) =>
    spectralNorm(await matrix(name), { guarantee: "proof", seed: 1 }).upper;
  switch (kind) {
    case "tanh":
      // The derivative of tanh is at most 1.
      return {
        stepNorm: await proved("recurrent"),
        smallest: singularValues(await matrix("recurrent")).values.at(-1) ?? null,
      };
    case "lipschitz": {
      const [keep, turn] = [await proved("keep"), await proved("turn")];
      return { stepNorm: keep === null || turn === null ? null : keep + EPSILON * turn, smallest: null };
    }
    case "gru":
      return { stepNorm: null, smallest: null };
  }
}

/** Lengths of the gradients of several examples, as sums of the logarithms of what they were divided by. */
class Lengths {
  readonly #logs: Float64Array;

  constructor(examples: number) {
    this.#logs = new Float64Array(examples);
  }

  /** The rows, divided by their lengths; a row of zeros stays. */
  scaled(rows: ArrayLike<number>): Float32Array<ArrayBuffer> {
    const width = rows.length / this.#logs.length;
    const unit = Float32Array.from(rows);
    for (let b = 0; b < this.#logs.length; b++) {
      const row = unit.subarray(b * width, (b + 1) * width);
      const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
      this.#logs[b] += Math.log(length);
      if (length > 0)
        row.forEach((value, i) => {
          row[i] = value / length;
        });
    }
    return unit;
  }

  sum(): number {
    return this.#logs.reduce((sum, log) => sum + Math.exp(log), 0);
  }
}

/** Step t of every sequence, [batch, features]. */
function inputAt({ data, shape: [size, steps, features] }: DataArray, t: number): DataArray {
  const row = new Float32Array(size * features);
  for (let b = 0; b < size; b++) {
    const start = (b * steps + t) * features;
    row.set(data.subarray(start, start + features), b * features);
  }
  return { data: row, shape: [size, features] };
}
