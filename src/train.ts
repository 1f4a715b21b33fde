/**
 * Networks trained under spectral control, on jax-js: layers, weight controls, penalties, losses, optimisers, a trainer.
 *
 * Needs `@jax-js/jax`. Training runs at native speed where `onnxruntime-node` is installed; see `lipschitz/compile`.
 */

export { parallel, residual, sequential } from "./train/compositions.ts";
export { type BjorckOptions, bjorck } from "./train/controls/bjorck.ts";
export type { Control, NormOf } from "./train/controls/control.ts";
export { type SpectralNormOptions, spectralNorm } from "./train/controls/spectral-norm.ts";
export { uncontrolled } from "./train/controls/uncontrolled.ts";
export { type Differentiated, differentiate } from "./train/differentiate.ts";
export { ShapeError, TrainError } from "./train/errors.ts";
export { type LinearOptions, linear } from "./train/layers/linear.ts";
export { relu } from "./train/layers/relu.ts";
export { fullSort, groupSort, maxMin } from "./train/layers/sorting.ts";
export * from "./train/losses/cross-entropy.ts";
export * from "./train/losses/multiclass-hinge.ts";
export type { Module } from "./train/module.ts";
export { adam } from "./train/optimizers/adam.ts";
export type { Applied, ApplyOptions, Shape, Tensor, Tree, Variables } from "./train/types.ts";
