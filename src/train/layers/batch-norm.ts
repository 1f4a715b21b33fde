import { lax, numpy as np } from "@jax-js/jax";
import { checkOptions, checkPositive } from "../checks.ts";
import { ShapeError, TrainError } from "../errors.ts";
import type { Module } from "../module.ts";
import { arrayIn, layerTree, lend } from "../trees.ts";
import type { LayerTree, Shape, Tensor } from "../types.ts";
import { arrayValue, layerValues } from "../values.ts";
import { float } from "./attributes.ts";
import { atLeastFloat32 } from "./precision.ts";
import { betweenSteps } from "./slots.ts";

export interface BatchNormOptions {
  /** How much of a batch's statistics enters the running ones: new = (1 − momentum)·old + momentum·batch. Default 0.1. */
  readonly momentum?: number;
  /** Added to the variance. Default 1e-5. */
  readonly epsilon?: number;
}

/**
 * (x − mean)/√(variance + ε)·weight + bias, each channel by its own statistics (Ioffe & Szegedy 2015, arXiv:1502.03167):
 * [channels] or [channels, …] → the same. In training those of the batch, over examples and positions; the state then moves to
 * them. In evaluation the state's, where it is max|weight|/√(variance + ε)-Lipschitz. In training the examples of a batch
 * influence each other and no constant holds. Parameters: `weight` [channels], `bias` [channels]; state: `runningMean`,
 * `runningVariance` [channels], the latter unbiased, as PyTorch's.
 * @throws TrainError for a momentum outside [0, 1], an ε that is not positive, unknown options; in training, ShapeError for a
 * batch with one value for each channel, whose variance is unknown.
 */
export function batchNorm(options: BatchNormOptions = {}): Module {
  checkOptions("batchNorm", options, ["momentum", "epsilon"]);
  const epsilon = checkPositive("batchNorm", "epsilon", options.epsilon ?? 1e-5);
  const momentum = checkMomentum(options.momentum ?? 0.1);

  const outputShape = (inputShape: Shape): Shape => {
    if (inputShape.length > 0) return inputShape;
    throw new ShapeError("batchNorm takes inputs of shape [channels] or [channels, …]; got a scalar.");
  };

  return {
    kind: "batchNorm",
    outputShape,

    init(key, inputShape) {
      key.dispose();
      outputShape(inputShape);
      const channels = [inputShape[0]];
      return {
        params: { weight: np.ones(channels), bias: np.zeros(channels) },
        state: { runningMean: np.zeros(channels), runningVariance: np.ones(channels) },
      };
    },

    apply(params, state, x, { training = false } = {}) {
      const [own, running] = [layerTree(params), layerTree(state)];
      checkChannels(arrayIn(own, "weight"), x);
      if (!training) {
        const mean = arrayIn(running, "runningMean").ref;
        const variance = arrayIn(running, "runningVariance").ref;
        return { y: normalized(x, { mean, variance }, own, epsilon), state: lend(state) };
      }
      const count = valuesPerChannel(x.shape);
      const batch = statistics(x);
      const next = moved(running, batch, momentum, count);
      return { y: normalized(x, batch, own, epsilon), state: next };
    },

    ...betweenSteps([]),

    emit(graph, input, values) {
      const own = layerValues(values);
      const weight = (tree: Parameters<typeof arrayValue>[0], name: string) =>
        graph.weight(`${values.path}${name}`, arrayValue(tree, name));
      const constants = [
        weight(own.params, "weight"),
        weight(own.params, "bias"),
        weight(own.state, "runningMean"),
        weight(own.state, "runningVariance"),
      ];
      const attributes = { epsilon: float(epsilon) };
      const name = graph.node("BatchNormalization", [input.name, ...constants], attributes);
      return { name, shape: input.shape };
    },
  };
}

interface Statistics {
  readonly mean: Tensor;
  /** Divided by the number of values, not one less. */
  readonly variance: Tensor;
}

/** Of each channel, over examples and positions, in float32 at least. Lends x. */
function statistics(x: Tensor): Statistics {
  const axes = x.shape.map((_, axis) => axis).filter((axis) => axis !== 1);
  const wide = atLeastFloat32(x.ref);
  const mean = np.mean(wide.ref, axes);
  const centred = wide.sub(perChannel(mean.ref, x.ndim));
  return { mean, variance: np.mean(np.square(centred), axes) };
}

/** The running statistics, moved towards the batch's. Lends both. */
function moved(running: LayerTree, batch: Statistics, momentum: number, count: number): LayerTree {
  const towards = (name: string, target: Tensor) => {
    const old = arrayIn(running, name);
    return old.ref
      .mul(1 - momentum)
      .add(target.mul(momentum))
      .astype(old.dtype);
  };
  const fixed = (array: Tensor) => lax.stopGradient(array.ref);
  return {
    runningMean: towards("runningMean", fixed(batch.mean)),
    runningVariance: towards("runningVariance", fixed(batch.variance).mul(count / (count - 1))),
  };
}

/** Consumes x and the statistics. */
function normalized(x: Tensor, { mean, variance }: Statistics, params: LayerTree, epsilon: number): Tensor {
  const { dtype, ndim } = x;
  const weight = atLeastFloat32(arrayIn(params, "weight").ref);
  const scale = weight.div(np.sqrt(atLeastFloat32(variance).add(epsilon)));
  return atLeastFloat32(x)
    .sub(perChannel(mean, ndim))
    .mul(perChannel(scale, ndim))
    .add(perChannel(arrayIn(params, "bias").ref, ndim))
    .astype(dtype);
}

/** [channels] so that it broadcasts against [batch, channels, …]. */
function perChannel(array: Tensor, ndim: number): Tensor {
  return array.reshape([array.shape[0], ...new Array<number>(ndim - 2).fill(1)]);
}

function valuesPerChannel(shape: Shape): number {
  const count = shape.reduce((all, size) => all * size, 1) / shape[1];
  if (count > 1) return count;
  throw new ShapeError(
    `batchNorm cannot take the variance of one value for each channel: the batch has shape [${shape}]. Train with two examples or more.`,
  );
}

function checkChannels(weight: Tensor, x: Tensor): void {
  if (x.ndim >= 2 && x.shape[1] === weight.shape[0]) return;
  throw new ShapeError(
    `batchNorm was made for ${weight.shape[0]} channels, so it takes batches of shape [batch, ${weight.shape[0]}, …]; got [${x.shape}].`,
  );
}

function checkMomentum(momentum: number): number {
  if (typeof momentum === "number" && momentum >= 0 && momentum <= 1) return momentum;
  throw new TrainError(`batchNorm: momentum must be a number from 0 to 1; got ${String(momentum)}.`);
}
