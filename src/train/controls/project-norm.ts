import { numpy as np, tree } from "@jax-js/jax";
import { checkChoice, checkCount, checkOptions, checkPositive } from "../checks.ts";
import type { LayerTree, Tensor } from "../types.ts";
import type { NormOf, ProjectNormControl } from "./control.ts";
import { inputShapeOf, iterate, linearMap, singularValue, startingVectors } from "./power-iteration.ts";
import type { ControlRule, Held } from "./rule.ts";

export interface ProjectNormOptions {
  /** The largest stretch the layer may have. Default 1. */
  readonly cap?: number;
  /** "operator" (default): the layer's own linear map; "reshaped": its kernel as a matrix. */
  readonly norm?: NormOf;
  /** Power iterations for each step of the optimiser, on the new weight. Default 1. */
  readonly iterations?: number;
}

/**
 * Hard projection by scaling: after each step of the optimiser W ← W·min(1, cap/σ₁(W)), σ₁ from a power iteration whose
 * vectors are kept (Gouk et al. 2021, arXiv:1804.04368). The layer uses the stored weight as it is, at no cost; the projection
 * shrinks every direction alike. The iteration approaches σ₁ from below, so while training the layer may be slightly
 * steeper than the cap; exported weights are divided by a proved upper bound.
 * @throws TrainError for a cap that is not a positive number, or unknown options.
 */
export function projectNorm(options: ProjectNormOptions = {}): ProjectNormControl {
  checkOptions("projectNorm", options, ["cap", "norm", "iterations"]);
  return {
    kind: "projectNorm",
    cap: checkPositive("projectNorm", "cap", options.cap ?? 1),
    norm: checkChoice("projectNorm", "norm", options.norm ?? "operator", ["operator", "reshaped"]),
    iterations: checkCount("projectNorm", "iterations", options.iterations ?? 1),
  };
}

export const projectNormRule: ControlRule<ProjectNormControl> = {
  init(control, held, inputShape, key) {
    const map = linearMap(held.operator, held.weight, control.norm, inputShape);
    const state = startingVectors(held, control.norm, inputShape, key);
    return { weight: shrunk(control, held, singularValue(map, state)), state };
  },

  effective: (_control, held) => ({ weight: held.weight.ref }),

  advance: (_control, _held, state) => tree.ref(state),

  project(control, held, state) {
    const map = linearMap(held.operator, held.weight, control.norm, inputShapeOf(state));
    const vectors: LayerTree = iterate(map, state, control.iterations);
    return { weight: shrunk(control, held, singularValue(map, vectors)), state: vectors };
  },

  promise: ({ cap, norm }) => ({ cap, norm }),
};

/** W·min(1, cap/σ). Consumes σ. */
function shrunk({ cap }: ProjectNormControl, { weight }: Held, sigma: Tensor): Tensor {
  const scale = np.reciprocal(np.maximum(sigma, cap)).mul(cap);
  return weight.ref.mul(scale.astype(weight.dtype));
}
