import { numpy as np } from "@jax-js/jax";
import { checkOptions, checkPositive } from "../checks.ts";
import { checkDecayRate } from "./decay-rate.ts";
import { elementwise } from "./elementwise.ts";
import type { Optimizer } from "./optimizer.ts";
import { checkRate, type LearningRate } from "./rate.ts";

export interface RmsPropOptions {
  readonly learningRate: LearningRate;
  /** Decay of the average of squares, in [0, 1). Default 0.99. */
  readonly decay?: number;
  /** Added to the root. Default 1e-8. */
  readonly epsilon?: number;
}

/**
 * torch.optim.RMSprop: s ← decay·s + (1 − decay)·g²; W ← W − rate·g/(√s + ε) (Hinton 2012).
 * @throws TrainError for unknown options or numbers out of range.
 */
export function rmsProp(options: RmsPropOptions): Optimizer {
  checkOptions("rmsProp", options, ["learningRate", "decay", "epsilon"]);
  const decay = checkDecayRate("rmsProp", "decay", options.decay ?? 0.99);
  const epsilon = checkPositive("rmsProp", "epsilon", options.epsilon ?? 1e-8);
  // The sum of squares is kept, not their average, s/(1 − decay): one pass over the parameters less in every step.
  const root = 1 / Math.sqrt(1 - decay);

  return elementwise({
    kind: "rmsProp",
    learningRate: checkRate("rmsProp", options.learningRate),
    statistics: ["squares"],
    scalars: (rate) => ({ size: rate.mul(root) }),

    step({ param, gradient, statistics: [old] }, { size }) {
      const squares = old.mul(decay).add(np.square(gradient.ref));
      const change = gradient.div(np.sqrt(squares.ref).add(epsilon * root)).mul(size.ref);
      return { param: param.sub(change), statistics: [squares] };
    },
  });
}
