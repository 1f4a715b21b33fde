/**
 * The linear algebra by itself: operators, bounds of their spectral norms, and what changes singular values.
 *
 * No file formats and no reports, so that a page which has its weights already loads little. Runs in Node and in
 * browsers; `spectralNormAsync` starts `worker.js` beside this module when it may use several threads.
 */

export { type Orthonormalized, type OrthonormalizeOptions, orthonormalize } from "./linalg/bjorck.ts";
export type { Bound, Guarantee } from "./linalg/bound.ts";
export { clipSingularValues } from "./linalg/clip.ts";
export type { ConvolutionOperator, SizedGeometry, SizeFreeConvolution } from "./linalg/convolution.ts";
export {
  type ConvOptions,
  type ConvTransposeOptions,
  conv1d,
  conv2d,
  convTranspose,
  type Kernel,
} from "./linalg/convolutions.ts";
export { type DenseOperator, dense, embedding } from "./linalg/dense.ts";
export { NonFiniteError, OperatorError } from "./linalg/errors.ts";
export { frobeniusNorm } from "./linalg/frobenius.ts";
export type { Boundary, ConvolutionGeometry } from "./linalg/geometry.ts";
export { spectralNormGradient } from "./linalg/gradient.ts";
export type { SpectralNormOptions } from "./linalg/norm-options.ts";
export type { LinearOperator } from "./linalg/operator.ts";
export {
  type AdjointOperator,
  adjointOf,
  type CompositionOperator,
  compose,
  type DirectSumOperator,
  directSum,
  type ScaledOperator,
  scale,
} from "./linalg/operators.ts";
export {
  type PowerMethodOptions,
  type PowerResult,
  type PowerState,
  powerMethod,
  powerState,
} from "./linalg/power-method.ts";
export { proximalMap, proximalSpectrum, type SpectralPenalty } from "./linalg/proximal.ts";
export { type SingularValues, type SingularValuesOptions, singularValues } from "./linalg/singular-values.ts";
export { spectralNorm } from "./linalg/spectral-norm.ts";
export { type SpectralNormAsyncOptions, spectralNormAsync } from "./linalg/spectral-norm-async.ts";
export { type SingularValueDecomposition, singularValueDecomposition } from "./linalg/svd.ts";
