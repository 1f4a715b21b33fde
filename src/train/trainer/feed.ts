import { Array as JaxArray } from "@jax-js/jax";
import { NativeArray } from "../../compile/native-array.ts";
import { toNative } from "../../compile/to-native.ts";
import { checkClasses, type DataArray } from "../data/arrays.ts";
import { ShapeError, TrainError } from "../errors.ts";
import { checkOwnCopy } from "../own-copy.ts";
import type { Shape } from "../types.ts";

/** An array for a step: plain numbers with their shape, or an array of jax-js or of a compiled function, which is lent. */
export type FeedArray = DataArray | JaxArray | NativeArray;

/** Arrays by name, the batch axis first; `x` goes through the network. */
export type FeedBatch = Readonly<Record<string, FeedArray>>;

/**
 * @throws ShapeError when x does not have the network's input shape, or lengths differ; TrainError for anything else.
 */
export function checkBatch(what: string, batch: FeedBatch, inputShape: Shape): void {
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
}

/** The arrays of a checked batch for a compiled function, the caller's. */
export function feed(batch: FeedBatch): Record<string, JaxArray | NativeArray> {
  return Object.fromEntries(Object.entries(batch).map(([name, array]) => [name, own(array)]));
}

/** @throws ShapeError unless the shape is [batch, ...inputShape]. */
export function checkInputs(what: string, shape: Shape, inputShape: Shape): void {
  if (shape.length > 0 && shape[0] >= 1 && String(shape.slice(1)) === String(inputShape)) return;
  throw new ShapeError(
    `${what}: x has shape [${shape}]; this network takes [${["batch", ...inputShape].join(", ")}].`,
  );
}

/**
 * Class numbers (whole numbers in y, one for each place that the last axis of the outputs scores classes at) against the classes
 * there are: those that y tells of, else as many as the network has outputs. Arrays of jax-js or of compiled functions are not read.
 * @throws ShapeError for more classes than outputs, TrainError for a number that is no class.
 */
export function checkLabels(what: string, { y }: FeedBatch, outputShape: Shape): void {
  if (y === undefined || !("data" in y) || !(y.data instanceof Int32Array)) return;
  const { data, classes: told } = y as DataArray;
  const outputs = outputShape.at(-1) ?? 1;
  if (outputs === 1 || String(y.shape.slice(1)) !== String(outputShape.slice(0, -1))) return;
  if (told !== undefined && told > outputs) {
    throw new ShapeError(
      `y tells ${told} classes apart, but the network has ${outputs} outputs for each example.`,
    );
  }
  checkClasses(what, "y", data, told ?? outputs);
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
  checkOwnCopy(`${what}: ${name}`, array);
  const shape = array?.shape;
  const plain = array?.data instanceof Float32Array || array?.data instanceof Int32Array;
  const counts = Array.isArray(shape) && shape.every((n) => Number.isSafeInteger(n) && n >= 0);
  if (!plain || !counts) {
    throw new TrainError(
      `${what}: ${name} must be { data, shape } with data a Float32Array or Int32Array and shape a list of whole numbers${otherwise}; dataset() makes such batches.`,
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
