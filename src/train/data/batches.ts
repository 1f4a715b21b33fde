import { deriveSeed, RandomStream } from "../../linalg/random.ts";
import { checkCount, checkOptions } from "../checks.ts";
import { TrainError } from "../errors.ts";
import type { DataArray } from "./arrays.ts";

/** Arrays by name, the first axis counting the examples of the batch. `x` is what a network takes. */
export type Batch = Readonly<Record<string, DataArray>>;

export interface BatchesOptions {
  /** Examples in each batch. */
  readonly size: number;
  /** Of the shuffles; a whole number. Default 0. */
  readonly seed?: number;
}

/** An endless sequence of shuffled batches. Which examples the k-th one holds depends on k and the seed alone. */
export interface Batches {
  readonly size: number;
  /** Batches in one pass over the examples; those left over by the division take no part in that pass. */
  readonly perEpoch: number;
  /** The k-th batch, k = 0, 1, …; what it holds is the caller's. */
  at(k: number): Batch;
}

/** @throws TrainError when there are fewer examples than a batch has, or options do not fit. */
export function shuffledBatches(arrays: Batch, examples: number, options: BatchesOptions): Batches {
  checkOptions("batches", options, ["size", "seed"]);
  const size = checkCount("batches", "size", options.size);
  const seed = options.seed ?? 0;
  if (!Number.isSafeInteger(seed)) throw new TrainError(`batches: seed must be a whole number; got ${seed}.`);
  if (size > examples) {
    throw new TrainError(`batches: size ${size} is more than the ${examples} examples there are.`);
  }
  const perEpoch = Math.floor(examples / size);
  let current = { epoch: -1, order: new Uint32Array() };

  return {
    size,
    perEpoch,
    at(k) {
      if (!Number.isSafeInteger(k) || k < 0) {
        throw new TrainError(`batches.at takes a whole number of 0 or more; got ${String(k)}.`);
      }
      const epoch = Math.floor(k / perEpoch);
      if (current.epoch !== epoch) current = { epoch, order: permutation(examples, seed, epoch) };
      const start = (k % perEpoch) * size;
      const chosen = current.order.subarray(start, start + size);
      return Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, rowsOf(array, chosen)]));
    },
  };
}

/** A shuffle of 0 … count − 1 (Fisher & Yates). */
function permutation(count: number, seed: number, epoch: number): Uint32Array<ArrayBuffer> {
  const stream = new RandomStream(deriveSeed(BigInt(seed), epoch));
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let last = count - 1; last > 0; last--) {
    const other = Math.floor(stream.uniform() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

function rowsOf(array: DataArray, rows: Uint32Array): DataArray {
  const { data, shape } = array;
  const width = data.length / shape[0];
  const taken =
    data instanceof Int32Array ? new Int32Array(rows.length * width) : new Float32Array(rows.length * width);
  rows.forEach((row, i) => {
    taken.set(data.subarray(row * width, (row + 1) * width), i * width);
  });
  return { ...array, data: taken, shape: [rows.length, ...shape.slice(1)] };
}
