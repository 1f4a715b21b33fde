import { Array as JaxArray } from "@jax-js/jax";
import { NativeArray } from "../../compile/native-array.ts";
import { toNative } from "../../compile/to-native.ts";
import type { DataArray } from "../data/arrays.ts";
import { ShapeError, TrainError } from "../errors.ts";
import type { Shape } from "../types.ts";

/** An array for a step: plain numbers with their shape, or an array of jax-js or of a compiled function, which is lent. */
export type FeedArray = DataArray | JaxArray | NativeArray;

/** Arrays by name, the batch axis first; `x` goes through the network. */
export type FeedBatch = Readonly<Record<string, FeedArray>>;

/**
 * The arrays of a batch for a compiled function, the caller's.
 * @throws ShapeError when x does not have the network's input shape, or lengths differ; TrainError for anything else.
 */
export function feed(
  what: string,
  batch: FeedBatch,
  inputShape: Shape,
): Record<string, JaxArray | NativeArray> {
  if (batch === null || typeof batch !== "object" || !("x" in batch)) {
    throw new TrainError(
      `${what} takes arrays by name, and x, the inputs of the network, is not among them.`,
    );
  }
  for (const [name, array] of Object.entries(batch)) checkFeed(what, name, array);
  checkInputs(what, batch.x.shape, inputShape);
  const [size] = batch.x.shape;
  for (const [name, { shape }] of Object.entries(batch)) {
    if (shape[0] === size) continue;
    throw new ShapeError(`${what}: x holds ${size} examples, but ${name} has shape [${shape}].`);
  }
  return Object.fromEntries(Object.entries(batch).map(([name, array]) => [name, own(array)]));
}

/** @throws ShapeError unless the shape is [batch, ...inputShape]. */
export function checkInputs(what: string, shape: Shape, inputShape: Shape): void {
  if (shape.length > 0 && shape[0] >= 1 && String(shape.slice(1)) === String(inputShape)) return;
  throw new ShapeError(
    `${what}: x has shape [${shape}]; this network takes [${["batch", ...inputShape].join(", ")}].`,
  );
}

/** The labels of a batch that knows its classes, against the outputs of the network. @throws ShapeError */
export function checkClassesFit(batch: FeedBatch, outputShape: Shape): void {
  const y = batch?.y;
  const classes = y && "classes" in y ? y.classes : undefined;
  const outputs = outputShape.length === 1 ? outputShape[0] : 1;
  if (classes === undefined || outputs === 1 || classes <= outputs) return;
  throw new ShapeError(
    `y tells ${classes} classes apart, but the network has ${outputs} outputs for each example.`,
  );
}

/** @throws TrainError for something that is not an array, ShapeError when its numbers and shape disagree. */
function checkFeed(what: string, name: string, array: FeedArray): void {
  if (array instanceof JaxArray || array instanceof NativeArray) return;
  checkNumbers(what, name, array, ", or an array of jax-js");
}

/**
 * @param otherwise what else would do, for the message
 * @throws TrainError for anything but plain numbers, ShapeError when they and their shape disagree.
 */
export function checkNumbers(what: string, name: string, array: DataArray, otherwise = ""): void {
  const shape = array?.shape;
  const plain = array?.data instanceof Float32Array || array?.data instanceof Int32Array;
  if (!plain || !Array.isArray(shape)) {
    throw new TrainError(
      `${what}: ${name} must be { data, shape } with data a Float32Array or Int32Array${otherwise}; dataset() makes such batches.`,
    );
  }
  const needed = shape.reduce((product, n) => product * n, 1);
  if (needed === array.data.length) return;
  throw new ShapeError(
    `${what}: ${name} has ${array.data.length} numbers, but its shape [${shape}] needs ${needed}.`,
  );
}

function own(array: FeedArray): JaxArray | NativeArray {
  if (array instanceof JaxArray || array instanceof NativeArray) return array.ref;
  return toNative(array.data as Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>, array.shape);
}
