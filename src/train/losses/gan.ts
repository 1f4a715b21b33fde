import { numpy as np } from "@jax-js/jax";
import { atLeastFloat32 } from "../layers/precision.ts";
import type { Tensor } from "../types.ts";
import { softplus } from "./softplus.ts";

/** The two sides of an adversarial game, both to be minimised. Outputs of the critic may have any shape; scalars come out. */
export interface GanLoss {
  /** The critic's loss from its outputs for real and for generated examples. Consumes both. */
  critic(real: Tensor, fake: Tensor): Tensor;
  /** The generator's loss from the critic's outputs for what it generated. Consumes them. */
  generator(fake: Tensor): Tensor;
}

const logisticCritic = (real: Tensor, fake: Tensor): Tensor =>
  np.mean(softplus(atLeastFloat32(real).neg())).add(np.mean(softplus(atLeastFloat32(fake))));

/** Losses of generative adversarial networks, by name; the critic gives logits, no sigmoid. */
export const ganLosses = {
  /** −log D(real) − log(1 − D(fake)), and log(1 − D(fake)) (Goodfellow et al. 2014, arXiv:1406.2661). */
  minimax: {
    critic: logisticCritic,
    generator: (fake) => np.mean(softplus(atLeastFloat32(fake))).neg(),
  },
  /** The same critic; the generator's −log D(fake), whose gradient does not vanish while the critic wins. */
  nonSaturating: {
    critic: logisticCritic,
    generator: (fake) => np.mean(softplus(atLeastFloat32(fake).neg())),
  },
  /** max(0, 1 − real) + max(0, 1 + fake), and −fake (Lim & Ye 2017, arXiv:1705.02894; Miyato et al. 2018). */
  hinge: {
    critic: (real, fake) =>
      np
        .mean(np.maximum(0, atLeastFloat32(real).neg().add(1)))
        .add(np.mean(np.maximum(0, atLeastFloat32(fake).add(1)))),
    generator: (fake) => np.mean(atLeastFloat32(fake)).neg(),
  },
  /** fake − real, and −fake, for a critic kept Lipschitz (Arjovsky et al. 2017, arXiv:1701.07875). */
  wasserstein: {
    critic: (real, fake) => np.mean(atLeastFloat32(fake)).sub(np.mean(atLeastFloat32(real))),
    generator: (fake) => np.mean(atLeastFloat32(fake)).neg(),
  },
} as const satisfies Record<string, GanLoss>;
