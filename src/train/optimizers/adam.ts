import { numpy as np } from "@jax-js/jax";
import { checkNotNegative, checkOptions, checkPositive } from "../checks.ts";
import type { Tensor } from "../types.ts";
import { checkDecayRate } from "./decay-rate.ts";
import { elementwise, type Scalars } from "./elementwise.ts";
import type { Optimizer } from "./optimizer.ts";
import { checkRate, type LearningRate } from "./rate.ts";

export interface AdamOptions {
  readonly learningRate: LearningRate;
  /** Decay of the average of gradients, in [0, 1). Default 0.9. */
  readonly beta1?: number;
  /** Decay of the average of squares, in [0, 1). Default 0.999. */
  readonly beta2?: number;
  /** Added to the root. Default 1e-8. */
  readonly epsilon?: number;
}

export interface AdamWOptions extends AdamOptions {
  /** λ of W ← W − rate·λ·W, apart from the gradient. Default 0.01. */
  readonly weightDecay?: number;
}

const OPTIONS = ["learningRate", "beta1", "beta2", "epsilon"];

/**
 * torch.optim.Adam: W ← W − rate·m̂/(√v̂ + ε), m̂ and v̂ the averages of g and g² freed of their start at zero
 * (Kingma & Ba 2015, arXiv:1412.6980).
 * @throws TrainError for unknown options or numbers out of range.
 */
export function adam(options: AdamOptions): Optimizer {
  checkOptions("adam", options, OPTIONS);
  return adaptiveMoments("adam", options, 0);
}

/**
 * torch.optim.AdamW: Adam, and W ← W − rate·λ·W before it (Loshchilov & Hutter 2019, arXiv:1711.05101).
 * @throws TrainError for unknown options or numbers out of range.
 */
export function adamW(options: AdamWOptions): Optimizer {
  checkOptions("adamW", options, [...OPTIONS, "weightDecay"]);
  return adaptiveMoments(
    "adamW",
    options,
    checkNotNegative("adamW", "weightDecay", options.weightDecay ?? 0.01),
  );
}

/**
 * Kept are the decayed sums M = m/(1−β₁) and V = v/(1−β₂), and everything that is the same for all entries is one of two
 * scalars: W ← W − size·M/(√V + floor). Compiled graphs do not fuse elementwise operations, so each one saved is a pass over all
 * parameters saved.
 */
function adaptiveMoments(kind: string, options: AdamOptions, weightDecay: number): Optimizer {
  const beta1 = checkDecayRate(kind, "beta1", options.beta1 ?? 0.9);
  const beta2 = checkDecayRate(kind, "beta2", options.beta2 ?? 0.999);
  const epsilon = checkPositive(kind, "epsilon", options.epsilon ?? 1e-8);

  return elementwise({
    kind,
    learningRate: checkRate(kind, options.learningRate),
    statistics: ["gradients", "squares"],
    averages: { gradientsCorrection: beta1, squaresCorrection: beta2 },

    scalars(rate, { gradientsCorrection, squaresCorrection }): Scalars {
      // √(v̂/V), the factor between the root of the corrected average and that of the sum, is 1/spread.
      const spread = np.sqrt(squaresCorrection.mul(1 / (1 - beta2)));
      const size = rate.ref
        .mul(1 - beta1)
        .mul(spread.ref)
        .div(gradientsCorrection);
      const scalars = { size, floor: spread.mul(epsilon) };
      if (weightDecay > 0) return { ...scalars, kept: rate.mul(-weightDecay).add(1) };
      rate.dispose();
      return scalars;
    },

    step({ param, gradient, statistics: [oldGradients, oldSquares] }, { size, floor, kept }) {
      const gradients = oldGradients.mul(beta1).add(gradient.ref);
      const squares = oldSquares.mul(beta2).add(np.square(gradient));
      const change = gradients.ref.div(np.sqrt(squares.ref).add(floor.ref)).mul(size.ref);
      return { param: decayed(param, kept).sub(change), statistics: [gradients, squares] };
    },
  });
}

function decayed(param: Tensor, kept: Tensor | undefined): Tensor {
  return kept ? param.mul(kept.ref) : param;
}
