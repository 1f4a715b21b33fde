import { checkFlag, checkNotNegative, checkOptions } from "../checks.ts";
import { TrainError } from "../errors.ts";
import { elementwise } from "./elementwise.ts";
import type { Optimizer } from "./optimizer.ts";
import { checkRate, type LearningRate } from "./rate.ts";

export interface SgdOptions {
  readonly learningRate: LearningRate;
  /** Decay of the velocity, in [0, 1). Default 0: no velocity is kept. */
  readonly momentum?: number;
  /** Nesterov's look-ahead. Default false. */
  readonly nesterov?: boolean;
  /** λ of the term λW that is added to the gradient. Default 0. */
  readonly weightDecay?: number;
}

/**
 * Stochastic gradient descent, torch.optim.SGD: g ← g + λW; v ← momentum·v + g; W ← W − rate·v, or with Nesterov's look-ahead
 * W ← W − rate·(g + momentum·v).
 * @throws TrainError for unknown options or numbers out of range.
 */
export function sgd(options: SgdOptions): Optimizer {
  checkOptions("sgd", options, ["learningRate", "momentum", "nesterov", "weightDecay"]);
  const momentum = checkNotNegative("sgd", "momentum", options.momentum ?? 0);
  const nesterov = checkFlag("sgd", "nesterov", options.nesterov ?? false);
  const weightDecay = checkNotNegative("sgd", "weightDecay", options.weightDecay ?? 0);
  if (momentum >= 1) throw new TrainError(`sgd: momentum must be below 1; got ${momentum}.`);
  if (nesterov && momentum === 0) throw new TrainError("sgd: nesterov needs a momentum above 0.");

  return elementwise({
    kind: "sgd",
    learningRate: checkRate("sgd", options.learningRate),
    statistics: momentum > 0 ? ["velocity"] : [],
    scalars: (rate) => ({ rate }),

    step({ param, gradient, statistics: [velocity] }, { rate }) {
      const slope = weightDecay > 0 ? gradient.add(param.ref.mul(weightDecay)) : gradient;
      if (velocity === undefined) return { param: param.sub(slope.mul(rate.ref)), statistics: [] };
      const kept = velocity.mul(momentum).add(nesterov ? slope.ref : slope);
      const direction = nesterov ? kept.ref.mul(momentum).add(slope) : kept.ref;
      return { param: param.sub(direction.mul(rate.ref)), statistics: [kept] };
    },
  });
}
