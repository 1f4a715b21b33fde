import { numpy as np, tree } from "@jax-js/jax";
import { checkChoice, checkCount, checkFlag, checkOptions, checkPositive } from "../checks.ts";
import type { Shape, Tensor } from "../types.ts";
import type { NormOf, SpectralNormControl } from "./control.ts";
import { inverseOf } from "./inverse.ts";
import { widened } from "./matrices.ts";
import { inputShapeOf, iterate, linearMap, singularValue, startingVectors } from "./power-iteration.ts";
import type { ControlRule, Effective, Held } from "./rule.ts";

export interface SpectralNormOptions {
  /** The largest stretch the layer may have. Default 1. */
  readonly cap?: number;
  /** "operator" (default): the layer's own linear map; "reshaped": its kernel as a matrix, as PyTorch does. */
  readonly norm?: NormOf;
  /** Leave weights below the cap as they are. Default false: every weight is scaled to the cap. */
  readonly onlyAbove?: boolean;
  /** Power iterations for each step of the optimiser. Default 1. */
  readonly iterations?: number;
  /** Multiply by a trained factor, kept in [−1, 1]. Default false. */
  readonly learnableScale?: boolean;
}

/**
 * Spectral normalization: the layer uses W·cap/σ₁(W), σ₁ from a power iteration that `advance` carries on; gradients flow
 * through σ₁ (Miyato et al. 2018, arXiv:1802.05957). The iteration approaches σ₁ from below, so while training the layer
 * may be slightly steeper than the cap; exported weights are divided by a proved upper bound.
 * @throws TrainError for a cap that is not a positive number, or unknown options.
 */
export function spectralNorm(options: SpectralNormOptions = {}): SpectralNormControl {
  checkOptions("spectralNorm", options, ["cap", "norm", "onlyAbove", "iterations", "learnableScale"]);
  return {
    kind: "spectralNorm",
    cap: checkPositive("spectralNorm", "cap", options.cap ?? 1),
    norm: checkChoice("spectralNorm", "norm", options.norm ?? "operator", ["operator", "reshaped"]),
    onlyAbove: checkFlag("spectralNorm", "onlyAbove", options.onlyAbove ?? false),
    iterations: checkCount("spectralNorm", "iterations", options.iterations ?? 1),
    learnableScale: checkFlag("spectralNorm", "learnableScale", options.learnableScale ?? false),
  };
}

export const spectralNormRule: ControlRule<SpectralNormControl> = {
  init(control, held, inputShape, key) {
    return { weight: held.weight.ref, state: startingVectors(held, control.norm, inputShape, key) };
  },

  effective(control, held, state): Effective {
    const sigma = singularValue(mapOf(control, held, inputShapeOf(state)), state);
    const scale = scaleFor(control, held.weight, sigma);
    const factor = held.factor?.ref;
    return {
      weight: held.weight.ref,
      scale: factor ? scale.mul(factor) : scale,
    };
  },

  advance(control, held, state) {
    return widened(held, (wide) =>
      iterate(mapOf(control, wide, inputShapeOf(state)), state, control.iterations),
    );
  },

  project: (_control, held, state) => ({ weight: held.weight.ref, state: tree.ref(state) }),

  promise: ({ cap, norm }) => ({ cap, norm }),
};

/**
 * cap/σ, or min(1, cap/σ); 1 for a weight that is zero, or so small that 1/σ² would overflow in its type: it stays as it is.
 * Consumes σ.
 */
function scaleFor({ cap, onlyAbove }: SpectralNormControl, weight: Tensor, sigma: Tensor): Tensor {
  const smallest = weight.dtype === np.float16 ? 1 / 240 : 1e-18;
  const usable = np.greater(sigma.ref, smallest);
  const ratio = inverseOf(np.where(usable, sigma, cap)).mul(cap);
  return onlyAbove ? np.minimum(ratio, 1) : ratio;
}

function mapOf({ norm }: SpectralNormControl, { operator, weight }: Held, inputShape: Shape) {
  return linearMap(operator, weight, norm, inputShape);
}
