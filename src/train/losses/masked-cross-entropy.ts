import { nn, numpy as np } from "@jax-js/jax";
import type { Tensor } from "../types.ts";

/** Cross-entropy, mean over the batch, for labels given as a mask that is true at the label. Consumes both. */
export function maskedCrossEntropy(scores: Tensor, own: Tensor): Tensor {
  const normalizer = nn.logsumexp(scores.ref, -1);
  return np.mean(normalizer.sub(np.where(own, scores, 0).sum(-1)));
}
