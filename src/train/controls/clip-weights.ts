import { numpy as np } from "@jax-js/jax";
import { checkOptions, checkPositive } from "../checks.ts";
import type { Tensor } from "../types.ts";
import type { ClipWeightsControl } from "./control.ts";
import type { ControlRule } from "./rule.ts";

export interface ClipWeightsOptions {
  /** The largest magnitude of an entry. Default 0.01, the paper's. */
  readonly limit?: number;
}

/**
 * Weight clipping: after each step of the optimiser every entry of the weight is moved into [−limit, limit] (Arjovsky,
 * Chintala & Bottou 2017, arXiv:1701.07875). It bounds the layer only through its size, ‖W‖ ≤ limit·√(rows·columns) times the
 * factor of a convolution, which is far above what such weights have; the baseline that the other controls improve on.
 * @throws TrainError for a limit that is not a positive number, or unknown options.
 */
export function clipWeights(options: ClipWeightsOptions = {}): ClipWeightsControl {
  checkOptions("clipWeights", options, ["limit"]);
  return { kind: "clipWeights", limit: checkPositive("clipWeights", "limit", options.limit ?? 0.01) };
}

export const clipWeightsRule: ControlRule<ClipWeightsControl> = {
  init(control, held, _inputShape, key) {
    key.dispose();
    return { weight: clipped(control, held.weight), state: {} };
  },
  effective: (_control, held) => ({ weight: held.weight.ref }),
  advance: () => ({}),
  project: (control, held) => ({ weight: clipped(control, held.weight), state: {} }),
  promise: () => null,
};

function clipped({ limit }: ClipWeightsControl, weight: Tensor): Tensor {
  return np.clip(weight.ref, -limit, limit);
}
