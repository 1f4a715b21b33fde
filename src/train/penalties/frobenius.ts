import { checkNotNegative } from "../checks.ts";
import { squaredNorm } from "../controls/matrices.ts";

import type { Tensor, Tree } from "../types.ts";
import type { WeightUse } from "../weight.ts";
import { sumOverWeights, weightIn } from "./penalised.ts";

/**
 * λ/2 Σ‖W‖_F² over the stored weights, a scalar to add to the loss: weight decay, whose gradient λW shrinks every singular
 * value alike. Lends `params`.
 * @param weights those of a network, `net.weights(inputShape)`, or a part of them.
 * @throws TrainError when λ is negative or there are no weights.
 */
export function frobenius(weights: readonly WeightUse[], params: Tree, lambda: number): Tensor {
  checkNotNegative("frobenius", "lambda", lambda);
  return sumOverWeights("frobenius", weights, (use) => squaredNorm(weightIn(params, use).ref)).mul(
    lambda / 2,
  );
}
