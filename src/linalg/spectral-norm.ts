import type { Bound } from "./bound.ts";
import type { SizeFreeConvolution } from "./convolution.ts";
import { operatorBound } from "./leaf-bounds.ts";
import { completeOptions, type SpectralNormOptions } from "./norm-options.ts";
import type { LinearOperator } from "./operator.ts";

/**
 * The spectral norm σ₁ of a linear operator, on the calling thread.
 *
 * - `estimate`: power iteration; `upper` is null.
 * - `probable` (default): Lanczos from a random start with Hochstenbach's polynomial bound.
 * - `proof`: verified Cholesky factorisation of the Gram matrix; for large convolutions one per frequency of a grid.
 *   An operator known only by its products has no proof.
 *
 * `lower` is rigorous under every guarantee (for operators given only by `apply` and `adjoint`, as long as those are
 * as accurate as a float64 matrix product).
 * @throws NonFiniteError when a NaN or infinity is stored; OperatorError when options or operator make no sense.
 */
export function spectralNorm(
  operator: LinearOperator | SizeFreeConvolution,
  options: SpectralNormOptions = {},
): Bound {
  return operatorBound(operator, completeOptions(options, 1));
}
