import { lax, numpy as np, random } from "@jax-js/jax";
import { checkChoice, checkCount, checkNotNegative, checkOptions } from "../checks.ts";
import type { NormOf } from "../controls/control.ts";
import { widened } from "../controls/matrices.ts";
import { type LinearMap, linearMap, vectorShapes } from "../controls/power-iteration.ts";
import type { Held } from "../controls/rule.ts";
import { TrainError } from "../errors.ts";
import type { Tensor, Tree } from "../types.ts";
import type { WeightUse } from "../weight.ts";
import { iterateBlock, startingBlock } from "./block-power.ts";
import { checkWeights, heldIn, sumOverWeights } from "./penalised.ts";

export interface SpectralPenaltyOptions {
  /** 2 (default): λ/2 Σσ²; 1: λ Σσ. */
  readonly power?: 1 | 2;
  /** How many leading singular values of each weight are penalised. Default 1. */
  readonly rank?: number;
  /** "operator" (default): those of the layer's own linear map; "reshaped": of its kernel as a matrix. */
  readonly norm?: NormOf;
  /** Block power iterations in each advance. Default 1. */
  readonly iterations?: number;
}

/** A penalty with a state of its own: the leading right singular vectors of every weight. All arguments but `key` are lent. */
export interface SpectralPenalty {
  /** The vectors at the start. Consumes `key`. */
  init(params: Tree, key: Tensor): Tree;
  /** A scalar to add to the loss; gradients flow to `params`, not to the vectors. */
  value(params: Tree, vectors: Tree): Tensor;
  /** The vectors one step further; once for each step of the optimiser. */
  advance(params: Tree, vectors: Tree): Tree;
}

/**
 * Spectral regularisation: λ/2 Σσ₁² or λ Σσ₁ over the stored weights (Yoshida & Miyato 2017, arXiv:1705.10941), whose
 * gradients λσ₁u₁v₁ᵀ and λu₁v₁ᵀ level the top of the spectrum and keep the tail, where weight decay shrinks all of it. With
 * `rank` k the k leading singular values, by block power iteration: smooth where σ₁ and σ₂ meet.
 * @param weights those of a network, `net.weights(inputShape)`, or a part of them.
 * @throws TrainError for a negative λ, unknown options, a rank that a weight does not have, or no weights.
 */
export function spectralPenalty(
  weights: readonly WeightUse[],
  lambda: number,
  options: SpectralPenaltyOptions = {},
): SpectralPenalty {
  checkOptions("spectralPenalty", options, ["power", "rank", "norm", "iterations"]);
  checkWeights("spectralPenalty", weights);
  checkNotNegative("spectralPenalty", "lambda", lambda);
  const power = checkPower(options.power ?? 2);
  const rank = checkCount("spectralPenalty", "rank", options.rank ?? 1);
  const norm = checkChoice("spectralPenalty", "norm", options.norm ?? "operator", ["operator", "reshaped"]);
  const iterations = checkCount("spectralPenalty", "iterations", options.iterations ?? 1);
  const mapOf = ({ inputShape }: WeightUse, { operator, weight }: Held): LinearMap =>
    linearMap(operator, weight, norm, inputShape);

  return {
    init(params, key) {
      const keys = weights.length === 1 ? [key] : [...random.split(key, weights.length)];
      return weights.map((use, i) =>
        widened(heldIn(params, use), (held) => {
          const shapes = vectorShapes(held.operator, held.weight.shape, norm, use.inputShape);
          return startingBlock(mapOf(use, held), keys[i], rank, shapes);
        }),
      );
    },

    value(params, vectors) {
      const images = (use: WeightUse, i: number) =>
        mapOf(use, heldIn(params, use)).apply(lax.stopGradient((vectors as Tensor[])[i].ref));
      const lengths = power === 2 ? squaredLengths : sumOfLengths;
      return sumOverWeights("spectralPenalty", weights, (use, i) => lengths(images(use, i))).mul(
        lambda / power,
      );
    },

    advance: (params, vectors) =>
      weights.map((use, i) =>
        widened(heldIn(params, use), (held) =>
          iterateBlock(mapOf(use, held), (vectors as Tensor[])[i].ref, iterations),
        ),
      ),
  };
}

function checkPower(power: number): 1 | 2 {
  if (power === 1 || power === 2) return power;
  throw new TrainError(
    `spectralPenalty: power must be 2 (for λ/2 Σσ²) or 1 (for λ Σσ); got ${String(power)}.`,
  );
}

/** Σ‖Wvᵢ‖² over a block. Consumes the images. */
function squaredLengths(images: Tensor): Tensor {
  return np.sum(np.square(images));
}

/** Σ‖Wvᵢ‖ over a block; an image that is zero counts as constant. Consumes the images. */
function sumOfLengths(images: Tensor): Tensor {
  const axes = images.shape.slice(1).map((_, axis) => axis + 1);
  const squares = np.sum(np.square(images), axes);
  const present = np.greater(squares.ref, 0);
  return np.sum(np.where(present.ref, np.sqrt(np.where(present, squares, 1)), 0));
}
