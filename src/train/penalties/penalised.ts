import type { Held } from "../controls/rule.ts";
import { TrainError } from "../errors.ts";
import { arrayIn, layerTree, memberOf } from "../trees.ts";
import type { Tensor, Tree } from "../types.ts";
import type { WeightUse } from "../weight.ts";

/** The stored weight of a use, in the params of the network it was asked of. Lent, like the params. */
export function weightIn(params: Tree, { path, slot }: WeightUse): Tensor {
  return arrayIn(layerTree(path.reduce(memberOf, params)), slot.name);
}

/** The same with its operator, as the rules of controls take it. */
export function heldIn(params: Tree, use: WeightUse): Held {
  return { operator: use.slot.operator, weight: weightIn(params, use) };
}

/** The sum over the weights of a scalar that `term` computes. @throws TrainError when there are none. */
export function sumOverWeights(
  what: string,
  weights: readonly WeightUse[],
  term: (use: WeightUse, index: number) => Tensor,
): Tensor {
  checkWeights(what, weights);
  return weights.map(term).reduce((sum, value) => sum.add(value));
}

/** @throws TrainError when there is nothing to penalise. */
export function checkWeights(what: string, weights: readonly WeightUse[]): void {
  if (Array.isArray(weights) && weights.length > 0) return;
  throw new TrainError(
    `${what} was given no weights to penalise. Pass those of a network: net.weights(inputShape).`,
  );
}
