/**
 * Networks trained under spectral control, on jax-js: layers, weight controls, penalties, losses, optimisers, a trainer.
 *
 * Needs `@jax-js/jax`. Training runs at native speed where `onnxruntime-node` is installed; see `lipschitz/compile`.
 */

export { DIGIT_PIXELS, type Digits, loadDigits } from "./digits/digits.ts";
export {
  type BoundOptions,
  bound,
  type LayerNorm,
  type LayerNormsOptions,
  layerNorms,
} from "./train/bound.ts";
export { CheckpointError } from "./train/checkpoint/checkpoint-error.ts";
export type { CheckpointSource } from "./train/checkpoint/decode.ts";
export { parallel, residual, sequential } from "./train/compositions.ts";
export { type BjorckOptions, bjorck } from "./train/controls/bjorck.ts";
export { type CayleyOptions, cayley } from "./train/controls/cayley.ts";
export { type ClipWeightsOptions, clipWeights } from "./train/controls/clip-weights.ts";
export type { Control, NormOf } from "./train/controls/control.ts";
export { type ProjectNormOptions, projectNorm } from "./train/controls/project-norm.ts";
export {
  type ClipSingularValuesOptions,
  clipSingularValues,
  type SingularBandOptions,
  singularBand,
} from "./train/controls/singular-band.ts";
export { type SpectralNormOptions, spectralNorm } from "./train/controls/spectral-norm.ts";
export { uncontrolled } from "./train/controls/uncontrolled.ts";
export type { DataArray, GivenArray } from "./train/data/arrays.ts";
export type { Batch, Batches, BatchesOptions } from "./train/data/batches.ts";
export { type Dataset, type DatasetOptions, dataset } from "./train/data/dataset.ts";
export { type Differentiated, differentiate } from "./train/differentiate.ts";
export { ShapeError, TrainError } from "./train/errors.ts";
export { type GradientSearch, type GradientSearchOptions, gradientSearch } from "./train/gradient-search.ts";
export { abs, gelu, leakyRelu, sigmoid, silu, softplus, tanh } from "./train/layers/activations.ts";
export { type BatchNormOptions, batchNorm } from "./train/layers/batch-norm.ts";
export { type ConvTransposeOptions, convTranspose2d } from "./train/layers/conv-transpose.ts";
export { type ConvolutionOptions, conv1d, conv2d } from "./train/layers/convolution.ts";
export { type ElmanOptions, elman } from "./train/layers/elman.ts";
export { type EmbeddingOptions, embedding } from "./train/layers/embedding.ts";
export { flatten } from "./train/layers/flatten.ts";
export { gru } from "./train/layers/gru.ts";
export { type LayerNormOptions, layerNorm } from "./train/layers/layer-norm.ts";
export { type LinearOptions, linear } from "./train/layers/linear.ts";
export { lstm } from "./train/layers/lstm.ts";
export { averagePool2d, maxPool2d, type PoolOptions } from "./train/layers/pooling.ts";
export type { RecurrentOptions } from "./train/layers/recurrent-layer.ts";
export { relu } from "./train/layers/relu.ts";
export { fullSort, groupSort, maxMin, type SortOptions } from "./train/layers/sorting.ts";
export type { ExplicitPadding, Padding, PerAxis } from "./train/layers/window.ts";
export {
  type CertifiedCrossEntropyOptions,
  certifiedCrossEntropy,
  pairwiseBounds,
} from "./train/losses/certified-cross-entropy.ts";
export { crossEntropy } from "./train/losses/cross-entropy.ts";
export { type GanLoss, ganLosses } from "./train/losses/gan.ts";
export { type HkrOptions, hkr } from "./train/losses/hkr.ts";
export { meanSquaredError } from "./train/losses/mean-squared-error.ts";
export { type MulticlassHingeOptions, multiclassHinge } from "./train/losses/multiclass-hinge.ts";
export type { Module } from "./train/module.ts";
export type { History } from "./train/monitor/history.ts";
export { type WeightMonitor, weightMonitor } from "./train/monitor/monitor.ts";
export { type AdamOptions, type AdamWOptions, adam, adamW } from "./train/optimizers/adam.ts";
export { clipGlobalNorm, globalNorm } from "./train/optimizers/global-norm.ts";
export type { Optimizer, OptimizerStep } from "./train/optimizers/optimizer.ts";
export type { LearningRate } from "./train/optimizers/rate.ts";
export { type RmsPropOptions, rmsProp } from "./train/optimizers/rms-prop.ts";
export { type SgdOptions, sgd } from "./train/optimizers/sgd.ts";
export { frobenius } from "./train/penalties/frobenius.ts";
export { type GradientPenaltyOptions, gradientPenalty } from "./train/penalties/gradient-penalty.ts";
export { orthogonality } from "./train/penalties/orthogonality.ts";
export { type SpectralPenaltyOptions, spectralPenalty } from "./train/penalties/spectral-penalty.ts";
export type { Schedule } from "./train/schedules/schedule.ts";
export * from "./train/schedules/schedules.ts";
export { DivergenceError } from "./train/trainer/divergence-error.ts";
export type { FeedArray, FeedBatch } from "./train/trainer/feed.ts";
export type {
  LossContext,
  MonitorOptions,
  PenaltyContext,
  StatefulPenalty,
  TrainerOptions,
} from "./train/trainer/options.ts";
export { createTrainer, type StepResult, type Trainer } from "./train/trainer/trainer.ts";
export type { Applied, ApplyOptions, Shape, Tensor, Tree, Variables } from "./train/types.ts";
export type { WeightUse } from "./train/weight.ts";
