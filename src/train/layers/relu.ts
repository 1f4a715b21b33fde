import { numpy as np } from "@jax-js/jax";
import type { Module } from "../module.ts";
import { sameShape, stateless } from "./stateless.ts";

/** max(x, 0). 1-Lipschitz; the derivative at 0 is taken as 0. */
export function relu(): Module {
  return stateless({
    kind: "relu",
    outputShape: sameShape,
    // max(0, x) with the constant first: jax-js takes the first argument's derivative where both are equal.
    apply: (x) => np.maximum(0, x),
    emit: (graph, input) => graph.node("Relu", [input.name]),
  });
}
