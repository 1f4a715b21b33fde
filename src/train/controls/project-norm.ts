import { numpy as np, tree } from "@jax-js/jax";
import { checkChoice, checkCount, checkOptions, checkPositive } from "../checks.ts";
import type { LayerTree, Tensor } from "../types.ts";
import type { NormOf, ProjectNormControl } from "./control.ts";
import { widened } from "./matrices.ts";
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
    const state = startingVectors(held, control.norm, inputShape, key);
    return { weight: shrunk(control, held, state), state };
  },

  effective: (_control, held) => ({ weight: held.weight.ref }),

  advance: (_control, _held, state) => tree.ref(state),

  project(control, held, state) {
    const vectors: LayerTree = widened(held, (wide) =>
      iterate(mapOf(control, wide, state), state, control.iterations),
    );
    return { weight: shrunk(control, held, vectors), state: vectors };
  },

  promise: ({ cap, norm }) => ({ cap, norm }),
};

/** W·min(1, cap/σ) with σ of the given vectors. Lends everything. */
function shrunk(control: ProjectNormControl, held: Held, vectors: LayerTree): Tensor {
  return widened(held, (wide) => {
    const sigma = singularValue(mapOf(control, wide, vectors), vectors);
    const scale = np.reciprocal(np.maximum(sigma, control.cap)).mul(control.cap);
    return wide.weight.ref.mul(scale).astype(held.weight.dtype);
  });
}

function mapOf({ norm }: ProjectNormControl, { operator, weight }: Held, vectors: LayerTree) {
  return linearMap(operator, weight, norm, inputShapeOf(vectors));
}
