import { numpy as np } from "@jax-js/jax";
import { checkChoice } from "../checks.ts";
import type { Module } from "../module.ts";
import { strings } from "./attributes.ts";
import { type Cell, type RecurrentOptions, recurrentLayer } from "./recurrent-layer.ts";

export interface ElmanOptions extends RecurrentOptions {
  /** Default "tanh". */
  readonly activation?: "tanh" | "relu";
}

/**
 * h_t = f(W x_t + b + R h_{t−1} + c), f tanh or ReLU (Elman 1990): [steps, features] → [steps, hidden], or [hidden] with
 * `returns: "last"`. PyTorch's torch.nn.RNN. Over T steps all states are ‖W‖·Σ_{t<T}‖R‖ᵗ-Lipschitz, the last one
 * ‖W‖·√Σ_{t<T}‖R‖²ᵗ.
 * @throws TrainError for a hidden size that is not a positive whole number, or unknown options.
 */
export function elman(hidden: number, options: ElmanOptions = {}): Module {
  const activation = checkChoice("elman", "activation", options.activation ?? "tanh", ["tanh", "relu"]);
  const cell: Cell = {
    kind: "elman",
    options: ["activation"],
    gates: 1,
    states: 1,
    biasOfState: false,
    step(ofInput, ofState, [before]) {
      before.dispose();
      const sum = ofInput.add(ofState);
      // The constant first, as in relu(): the derivative at 0 is 0.
      return [activation === "tanh" ? np.tanh(sum) : np.maximum(0, sum)];
    },
    onnx: {
      opType: "RNN",
      order: [0],
      attributes: { activations: strings([activation === "tanh" ? "Tanh" : "Relu"]) },
    },
  };
  return recurrentLayer(cell, hidden, options);
}
