import { numpy as np, tree } from "@jax-js/jax";
import { deriveSeed, RandomStream } from "../../linalg/random.ts";
import type { Module } from "../module.ts";
import type { Shape, Variables } from "../types.ts";
import { numbersOf } from "./arrays.ts";
import type { InputKind } from "./graph.ts";
import type { Batch } from "./runner.ts";

/** Two sizes, so that a file which only fits one of them is found out; small, because jax-js convolves slowly. */
const BATCH_SIZES = [1, 3, 3];

const SEED = 0n;

/** Random batches of two sizes: standard normal numbers, or ids; the same ones in every call. */
export function sampleBatches(inputShape: Shape, input: InputKind): Batch[] {
  return BATCH_SIZES.map((size, i) => {
    const random = new RandomStream(deriveSeed(SEED, i));
    const shape = [size, ...inputShape];
    const length = shape.reduce((product, n) => product * n, 1);
    const data =
      input.kind === "ids"
        ? Int32Array.from({ length }, () => Math.floor(random.uniform() * input.count))
        : Float32Array.from({ length }, () => random.normal());
    return { data, shape };
  });
}

/** The outputs of a network for each batch, in evaluation mode. Lends the variables. */
export async function outputsFor(
  net: Module,
  { params, state }: Variables,
  batches: readonly Batch[],
): Promise<ArrayLike<number>[]> {
  const outputs: ArrayLike<number>[] = [];
  for (const { data, shape } of batches) {
    const x = np.array(data as Float32Array<ArrayBuffer>, { shape: [...shape] });
    const applied = net.apply(params, state, x);
    tree.dispose(applied.state);
    outputs.push(await numbersOf(applied.y));
  }
  return outputs;
}

/**
 * The largest difference, as a share of the largest number of all lists: one example alone may have outputs near zero, of
 * which rounding within the network is a large share. NaN where something is not finite, or lengths differ.
 */
export function largestDifference(
  got: readonly ArrayLike<number>[],
  wanted: readonly ArrayLike<number>[],
): number {
  let [difference, size] = [0, 0];
  for (const [b, list] of wanted.entries()) {
    const other = got[b]!;
    if (other.length !== list.length) return Number.NaN;
    for (let i = 0; i < list.length; i++) {
      difference = Math.max(difference, Math.abs(other[i]! - list[i]!));
      size = Math.max(size, Math.abs(list[i]!), Math.abs(other[i]!));
    }
  }
  // Math.max passes NaN on; an infinite output leaves NaN or Infinity here, neither of which is small.
  return difference === 0 ? 0 : difference / size;
}
