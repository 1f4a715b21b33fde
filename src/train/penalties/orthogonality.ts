import { checkNotNegative } from "../checks.ts";
import { gram, identityLike, squaredNorm, wideMatrix } from "../controls/matrices.ts";
import type { Tensor, Tree } from "../types.ts";
import type { WeightUse } from "../weight.ts";
import { heldIn, sumOverWeights } from "./penalised.ts";

/**
 * λ Σ‖WWᵀ − I‖_F² over the stored weights (WᵀW where W is tall; kernels reshaped to matrices), a scalar to add to the loss:
 * pulls every singular value towards 1 (Brock et al. 2017, arXiv:1609.07093). Lends `params`.
 * @param weights those of a network, `net.weights(inputShape)`, or a part of them.
 * @throws TrainError when λ is negative or there are no weights.
 */
export function orthogonality(weights: readonly WeightUse[], params: Tree, lambda: number): Tensor {
  checkNotNegative("orthogonality", "lambda", lambda);
  return sumOverWeights("orthogonality", weights, (use) => defect(use, params)).mul(lambda);
}

function defect(use: WeightUse, params: Tree): Tensor {
  const { matrix } = wideMatrix(heldIn(params, use));
  const square = gram(matrix);
  matrix.dispose();
  const identity = identityLike(square);
  return squaredNorm(square.sub(identity));
}
