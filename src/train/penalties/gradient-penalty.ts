import { grad, numpy as np, random } from "@jax-js/jax";
import { checkChoice, checkNotNegative, checkOptions } from "../checks.ts";
import { ShapeError } from "../errors.ts";

import type { Tensor } from "../types.ts";

export interface GradientPenaltyOptions {
  /** λ. Default 10, the paper's. */
  readonly lambda?: number;
  /** The steepness that is not penalised. Default 1. */
  readonly target?: number;
  /** "two" (default): steepness below the target is penalised too; "one": only above. */
  readonly sided?: "one" | "two";
}

/**
 * λ·mean((‖∇ₓ critic(x̂)‖ − target)²) at random points x̂ between real and generated examples, a scalar to add to the
 * critic's loss (WGAN-GP, Gulrajani et al. 2017, arXiv:1704.00028; one-sided: Petzka et al. 2018, arXiv:1709.08894). It limits the
 * steepness at the points it sees and bounds nothing in between. Differentiating it differentiates twice, which works inside
 * `differentiate`.
 * @param critic outputs for a batch, one number for each example; consumes the batch, and must treat examples independently
 *   (no batch statistics).
 * @param real [batch, …]; consumed, like `fake` of the same shape and the random key.
 * @throws ShapeError when the shapes differ; TrainError for unknown options.
 */
export function gradientPenalty(
  critic: (x: Tensor) => Tensor,
  real: Tensor,
  fake: Tensor,
  key: Tensor,
  options: GradientPenaltyOptions = {},
): Tensor {
  checkOptions("gradientPenalty", options, ["lambda", "target", "sided"]);
  const lambda = checkNotNegative("gradientPenalty", "lambda", options.lambda ?? 10);
  const target = checkNotNegative("gradientPenalty", "target", options.target ?? 1);
  const sided = checkChoice("gradientPenalty", "sided", options.sided ?? "two", ["one", "two"]);
  const slopes = slopesAt(critic, between(real, fake, key));
  const excess = slopes.sub(target);
  return np.mean(np.square(sided === "one" ? np.maximum(0, excess) : excess)).mul(lambda);
}

/** A random point on the way from each fake example to the real one. Consumes everything. */
function between(real: Tensor, fake: Tensor, key: Tensor): Tensor {
  if (real.ndim === 0 || String(real.shape) !== String(fake.shape)) {
    throw new ShapeError(
      `gradientPenalty mixes real and generated examples one to one, so their shapes must agree; got [${real.shape}] and [${fake.shape}].`,
    );
  }
  const [batch, ...rest] = real.shape;
  const share = random.uniform(key, [batch, ...rest.map(() => 1)]).astype(real.dtype);
  return fake.ref.add(share.mul(real.sub(fake)));
}

/** ‖∇ₓ critic(x)‖ for each example; where the gradient is zero its length counts as constant. Consumes x. */
function slopesAt(critic: (x: Tensor) => Tensor, x: Tensor): Tensor {
  const gradient = grad((points: Tensor) => np.sum(critic(points)))(x) as Tensor;
  const axes = gradient.shape.slice(1).map((_, axis) => axis + 1);
  const squares = np.sum(np.square(gradient), axes);
  const steep = np.greater(squares.ref, 0);
  return np.where(steep.ref, np.sqrt(np.where(steep, squares, 1)), 0);
}
