import { numpy as np } from "@jax-js/jax";
import type { Module } from "../module.ts";
import { int } from "./attributes.ts";
import { logistic } from "./logistic.ts";
import { type Cell, type RecurrentOptions, recurrentLayer } from "./recurrent-layer.ts";

/**
 * Gated recurrent units (Cho et al. 2014, arXiv:1406.1078), by PyTorch's equations: with a = W x_t + b and s = R h_{t−1} + c,
 * r = σ(a_r + s_r), z = σ(a_z + s_z), n = tanh(a_n + r⊙s_n), h_t = (1 − z)⊙n + z⊙h_{t−1}. [steps, features] → [steps, hidden], or
 * [hidden] with `returns: "last"`. Gates stand in the order r, z, n; a control bounds the recurrent kernel as a whole. No
 * Lipschitz constant holds for every number of steps: gates may keep the state.
 * @throws TrainError for a hidden size that is not a positive whole number, or unknown options.
 */
export function gru(hidden: number, options: RecurrentOptions = {}): Module {
  return recurrentLayer(CELL, hidden, options);
}

const CELL: Cell = {
  kind: "gru",
  options: [],
  gates: 3,
  states: 1,
  biasOfState: true,
  step(ofInput, ofState, [before]) {
    const [resetInput, updateInput, candidateInput] = np.split(ofInput, 3, 1);
    const [resetState, updateState, candidateState] = np.split(ofState, 3, 1);
    const reset = logistic(resetInput.add(resetState));
    const update = logistic(updateInput.add(updateState));
    const candidate = np.tanh(candidateInput.add(reset.mul(candidateState)));
    // (1 − z)n + zh.
    return [candidate.ref.add(update.mul(before.sub(candidate)))];
  },
  onnx: { opType: "GRU", order: [1, 0, 2], attributes: { linear_before_reset: int(1) } },
};
