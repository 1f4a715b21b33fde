import { numpy as np } from "@jax-js/jax";
import type { Module } from "../module.ts";
import { logistic } from "./logistic.ts";
import { type Cell, type RecurrentOptions, recurrentLayer } from "./recurrent-layer.ts";

/**
 * Long short-term memory (Hochreiter & Schmidhuber 1997), by PyTorch's equations: (i, f, g, o) = W x_t + b + R h_{t−1} + c,
 * cell c_t = σ(f)⊙c_{t−1} + σ(i)⊙tanh(g), h_t = σ(o)⊙tanh(c_t). [steps, features] → [steps, hidden], or [hidden] with
 * `returns: "last"`. Gates stand in the order i, f, g, o; a control bounds the recurrent kernel as a whole. No Lipschitz
 * constant holds for every number of steps: the cell adds up.
 * @throws TrainError for a hidden size that is not a positive whole number, or unknown options.
 */
export function lstm(hidden: number, options: RecurrentOptions = {}): Module {
  return recurrentLayer(CELL, hidden, options);
}

const CELL: Cell = {
  kind: "lstm",
  options: [],
  gates: 4,
  states: 2,
  biasOfState: false,
  step(ofInput, ofState, [before, cellBefore]) {
    before.dispose();
    const [input, forget, candidate, output] = np.split(ofInput.add(ofState), 4, 1);
    const kept = logistic(forget).mul(cellBefore);
    const cell = kept.add(logistic(input).mul(np.tanh(candidate)));
    return [logistic(output).mul(np.tanh(cell.ref)), cell];
  },
  onnx: { opType: "LSTM", order: [0, 3, 1, 2], attributes: {} },
};
