import { numpy as np, random } from "@jax-js/jax";
import { checkChoice, checkCount, checkFlag, checkOptions, checkPositive } from "../checks.ts";
import type { LayerTree, Shape, Tensor } from "../types.ts";
import type { NormOf, SpectralNormControl } from "./control.ts";
import { iterate, linearMap, singularValue, vectorShapes } from "./power-iteration.ts";
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

/** PyTorch starts with as many: enough for the first steps, the iteration goes on while training. */
const STARTING_ITERATIONS = 15;

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
    const shapes = vectorShapes(held.operator, held.weight.shape, control.norm, inputShape);
    const [keyU, keyV] = random.split(key, 2);
    const start = { u: random.normal(keyU, shapes.u), v: random.normal(keyV, shapes.v) };
    const state = iterate(mapOf(control, held, inputShape), start, STARTING_ITERATIONS);
    start.u.dispose();
    start.v.dispose();
    return { weight: held.weight.ref, state };
  },

  effective(control, held, state): Effective {
    const sigma = singularValue(mapOf(control, held, inputShapeOf(state)), state);
    const scale = scaleFor(control, sigma);
    const factor = held.factor?.ref;
    return {
      weight: held.weight.ref,
      scale: (factor ? scale.mul(factor) : scale).astype(held.weight.dtype),
    };
  },

  advance(control, held, state) {
    return iterate(mapOf(control, held, inputShapeOf(state)), state, control.iterations);
  },

  project: (_control, held, state) => ({
    weight: held.weight.ref,
    state: { u: ref(state.u), v: ref(state.v) },
  }),

  promise: ({ cap, norm }) => ({ cap, norm }),
};

/** cap/σ, or min(1, cap/σ); 1 for a zero weight, which stays zero. Consumes σ. */
function scaleFor(control: SpectralNormControl, sigma: Tensor): Tensor {
  const usable = np.greater(sigma.ref, 0);
  const ratio = np.reciprocal(np.where(usable.ref, sigma, control.cap)).mul(control.cap);
  return control.onlyAbove ? np.minimum(ratio, 1) : ratio;
}

function mapOf(control: SpectralNormControl, held: Held, inputShape: Shape) {
  return linearMap(held.operator, held.weight, control.norm, inputShape);
}

/** The right singular vector has the shape of one input, after a batch axis of 1. */
function inputShapeOf(state: LayerTree): Shape {
  return (state.v as Tensor).shape.slice(1);
}

function ref(array: LayerTree[string] | undefined): Tensor {
  return (array as Tensor).ref;
}
