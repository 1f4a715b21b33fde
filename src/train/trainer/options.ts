import type { Device } from "../../compile/devices.ts";
import { checkCount, checkOptions, checkPositive } from "../checks.ts";
import { TrainError } from "../errors.ts";
import { checkModule } from "../layers/stateless.ts";
import type { Module } from "../module.ts";
import type { Optimizer } from "../optimizers/optimizer.ts";
import type { Shape, Tensor, Tree } from "../types.ts";

/**
 * What a loss is computed from. Reading `outputs`, `key` or a member of `batch` gives one array that the loss may consume;
 * reading it again gives another. `params` and `state` are lent.
 */
export interface LossContext {
  /** What the network made of batch.x, [batch, ...]. */
  readonly outputs: Tensor;
  readonly batch: Readonly<Record<string, Tensor>>;
  readonly params: Tree;
  /** The state of the network in this step, its controls advanced. */
  readonly state: Tree;
  /** A random key, a new one in every step. */
  readonly key: Tensor;
}

/** What a penalty without a state of its own is computed from; see `LossContext`. */
export type PenaltyContext = Omit<LossContext, "outputs">;

/** A penalty with vectors of its own, such as `spectralPenalty`'s; everything but `key` is lent. */
export interface StatefulPenalty {
  init(params: Tree, key: Tensor): Tree;
  advance(params: Tree, vectors: Tree): Tree;
  /** A scalar to add to the loss. */
  value(params: Tree, vectors: Tree): Tensor;
}

export interface MonitorOptions {
  /** Steps between two entries of the history. Default 1. */
  readonly every?: number;
}

export interface TrainerOptions {
  readonly net: Module;
  /** The shape of one input, without the batch axis. */
  readonly inputShape: Shape;
  /** The loss of a batch, a scalar. It is traced once, not called in every step. */
  readonly loss: (context: LossContext) => Tensor;
  readonly optimizer: Optimizer;
  /** Added to the loss. */
  readonly penalty?: ((context: PenaltyContext) => Tensor) | StatefulPenalty;
  /** The largest norm of the gradient over all parameters; longer ones are scaled down. Default: none. */
  readonly clipNorm?: number;
  /** Record σ₁ of every weight, loss and gradient norm. Default false. */
  readonly monitor?: boolean | MonitorOptions;
  /** Of the starting weights and of `key`; a whole number of 0 to 2³² − 1. Default 0. */
  readonly seed?: number;
  /** Where steps run: "native" (default), "wasm", "webgpu" or "jax"; see `compile`. */
  readonly device?: Device;
  /** Threads of the native and wasm devices; by default as many as help. */
  readonly threads?: number;
}

const NAMES = [
  ...["net", "inputShape", "loss", "optimizer", "penalty", "clipNorm", "monitor"],
  ...["seed", "device", "threads"],
];

/** The options, those left out filled in. */
export interface CheckedOptions extends TrainerOptions {
  readonly seed: number;
  readonly device: Device;
  /** Steps between two entries of the history, or null without a monitor. */
  readonly every: number | null;
}

/** @throws TrainError for options that are unknown, missing or out of range. */
export function checkTrainerOptions(options: TrainerOptions): CheckedOptions {
  checkOptions("createTrainer", options, NAMES);
  checkModule("createTrainer's net", options.net);
  checkShape(options.inputShape);
  if (typeof options.loss !== "function") {
    throw new TrainError(
      "createTrainer: loss must be a function: ({ outputs, batch }) => crossEntropy(outputs, batch.y).",
    );
  }
  if (typeof options.optimizer?.update !== "function") {
    throw new TrainError("createTrainer: optimizer must be one, such as adam({ learningRate: 1e-3 }).");
  }
  if (options.clipNorm !== undefined) checkPositive("createTrainer", "clipNorm", options.clipNorm);
  checkPenalty(options.penalty);
  return {
    ...options,
    seed: checkSeed(options.seed ?? 0),
    device: options.device ?? "native",
    every: monitorEvery(options.monitor ?? false),
  };
}

function checkShape(shape: unknown): void {
  if (Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 1)) return;
  throw new TrainError(
    `createTrainer: inputShape must be a list of whole numbers, the shape of one input: [784], [1, 28, 28]; got ${JSON.stringify(shape)}.`,
  );
}

function checkPenalty(penalty: TrainerOptions["penalty"]): void {
  if (penalty === undefined || typeof penalty === "function") return;
  if ([penalty?.init, penalty?.advance, penalty?.value].every((member) => typeof member === "function"))
    return;
  throw new TrainError(
    "createTrainer: penalty must be a function of { params, … }, or have the functions init, advance and value.",
  );
}

function checkSeed(seed: number): number {
  if (Number.isSafeInteger(seed) && seed >= 0 && seed < 2 ** 32) return seed;
  throw new TrainError(`createTrainer: seed must be a whole number of 0 to 4294967295; got ${String(seed)}.`);
}

function monitorEvery(monitor: boolean | MonitorOptions): number | null {
  if (typeof monitor === "boolean") return monitor ? 1 : null;
  checkOptions("createTrainer's monitor", monitor, ["every"]);
  return checkCount("createTrainer's monitor", "every", monitor.every ?? 1);
}
