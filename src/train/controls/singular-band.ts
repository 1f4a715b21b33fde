import { numpy as np } from "@jax-js/jax";
import { checkNotNegative, checkOptions, checkPositive } from "../checks.ts";
import { TrainError } from "../errors.ts";
import type { Tensor } from "../types.ts";
import type { SingularBandControl } from "./control.ts";
import { gram, identityLike, operatorFactor, wideMatrix, widened, withinReach } from "./matrices.ts";
import { inverseSquareRoot, matrixSign } from "./matrix-functions.ts";
import type { ControlRule, Held } from "./rule.ts";

export interface SingularBandOptions {
  /** The smallest singular value the weight's matrix may have. Default 0: only the largest is limited. */
  readonly min?: number;
  /** The largest stretch the layer may have. Default 1. */
  readonly max?: number;
}

export interface ClipSingularValuesOptions {
  /** The largest stretch the layer may have. Default 1. */
  readonly cap?: number;
}

/** How near σ² must be to the edge, relative to it, for a singular value to land in between instead of on the edge. */
const RESOLUTION = 1e-3;

/** Enough for singular values up to four times the edge; larger ones come down over several calls. */
const LOWERING_STEPS = 8;

/** Raises singular values by up to 57 times in one call. */
const RAISING_STEPS = 10;

/**
 * Singular values in a band: after each step of the optimiser those of the weight's matrix above `max` become `max`, those
 * below `min` become `min`, and the others stay, as do the singular vectors. The layer uses the stored weight as it is.
 *
 * By functions of the Gram matrix, without a decomposition: W ← max(WWᵀ/max², I)^{-1/2} W, then
 * W ← min(WWᵀ/min², I)^{-1/2} W. Directions with singular value 0 stay 0. For a convolution the matrix is its reshaped kernel
 * and the edges are divided by the number that bounds the convolution by it, so that `max` holds for the layer itself.
 * @throws TrainError for a max that is not positive, a min that is negative or above max, or unknown options.
 */
export function singularBand(options: SingularBandOptions = {}): SingularBandControl {
  checkOptions("singularBand", options, ["min", "max"]);
  const min = checkNotNegative("singularBand", "min", options.min ?? 0);
  const max = checkPositive("singularBand", "max", options.max ?? 1);
  if (min > max) {
    throw new TrainError(`singularBand: min must not be above max; got min ${min} and max ${max}.`);
  }
  return { kind: "singularBand", min, max };
}

/**
 * Singular value clipping: after each step singular values above `cap` become `cap`, which gives the nearest matrix with
 * that norm; `singularBand` with min 0 (Sedghi, Gupta & Long 2019, arXiv:1805.10408, for convolutions).
 * @throws TrainError for a cap that is not a positive number, or unknown options.
 */
export function clipSingularValues(options: ClipSingularValuesOptions = {}): SingularBandControl {
  checkOptions("clipSingularValues", options, ["cap"]);
  const max = checkPositive("clipSingularValues", "cap", options.cap ?? 1);
  return { kind: "singularBand", min: 0, max };
}

export const singularBandRule: ControlRule<SingularBandControl> = {
  init(control, held, _inputShape, key) {
    key.dispose();
    return { weight: intoBand(control, held), state: {} };
  },
  effective: (_control, held) => ({ weight: held.weight.ref }),
  advance: () => ({}),
  project: (control, held) => ({ weight: intoBand(control, held), state: {} }),
  promise: ({ max }) => ({ cap: max, norm: "operator" }),
};

function intoBand({ min, max }: SingularBandControl, held: Held): Tensor {
  const factor = operatorFactor(held);
  return widened(held, (wide) => {
    const { matrix, back } = wideMatrix(wide);
    const edge = max / factor;
    const lowered = lowerTo(edge, withinReach(matrix, edge));
    const moved = min > 0 ? raiseTo(min / factor, lowered, max / min) : lowered;
    return back(moved).astype(held.weight.dtype);
  });
}

/** W with singular values above the edge moved to it. Consumes W. */
function lowerTo(edge: number, matrix: Tensor): Tensor {
  const { identity, excess } = excessOver(edge, matrix);
  const size = np.matmul(matrixSign(excess.ref, RESOLUTION), excess.ref);
  const ratio = identity.add(excess.add(size).mul(0.5));
  return np.matmul(inverseSquareRoot(ratio, LOWERING_STEPS), matrix);
}

/** W with singular values below the edge moved to it, when none is above `widest` times the edge. Consumes W. */
function raiseTo(edge: number, matrix: Tensor, widest: number): Tensor {
  const { identity, excess } = excessOver(edge, matrix);
  const size = np.matmul(matrixSign(excess.ref, RESOLUTION / widest ** 2), excess.ref);
  const ratio = identity.add(excess.sub(size).mul(0.5));
  return np.matmul(inverseSquareRoot(ratio, RAISING_STEPS), matrix);
}

/** I, and WWᵀ/edge² − I: its eigenvalues are positive for singular values above the edge. Lends W. */
function excessOver(edge: number, matrix: Tensor): { identity: Tensor; excess: Tensor } {
  const scaled = matrix.ref.mul(1 / edge);
  const square = gram(scaled);
  scaled.dispose();
  const identity = identityLike(square);
  return { identity: identity.ref, excess: square.sub(identity) };
}
