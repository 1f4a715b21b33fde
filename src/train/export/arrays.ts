import { numpy as np, Array as Tensor, tree } from "@jax-js/jax";
import { toFloat64 } from "../../formats/decode.ts";
import type { PlainArray, PlainTree } from "../graph-builder.ts";
import { checkOwnCopy } from "../own-copy.ts";
import type { Tree, Variables } from "../types.ts";
import { isPlainArray } from "../values.ts";
import { ExportError } from "./errors.ts";

/** An array that lives outside of jax-js, in the runtime of a compiled function. `data` and `toJax` consume a reference. */
interface ForeignArray {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly ref: ForeignArray;
  data(): Promise<ArrayBufferView>;
  toJax(): Promise<Tensor>;
}

/**
 * Lends `compute` the same trees with every array in jax-js, whichever device they live on; float16 becomes float32 on
 * the way. The trees given stay as they are.
 */
export async function usingJax<T>(
  { params, state }: Variables,
  compute: (variables: Variables) => Promise<T>,
): Promise<T> {
  const [leaves, treedef] = tree.flatten<unknown>([params, state] as never);
  const arrays: Tensor[] = [];
  try {
    for (const leaf of leaves) arrays.push(await jaxArray(leaf as ForeignArray | Tensor));
    const [ownParams, ownState] = tree.unflatten(treedef, arrays) as unknown as [Tree, Tree];
    return await compute({ params: ownParams, state: ownState });
  } finally {
    for (const array of arrays) array.dispose();
  }
}

async function jaxArray(leaf: ForeignArray | Tensor): Promise<Tensor> {
  if (leaf instanceof Tensor) return leaf.ref;
  checkOwnCopy("A parameter, or an array of the state,", leaf);
  // jax-js computes with halves on few devices.
  if (leaf.dtype !== "float16") return leaf.ref.toJax();
  return np.array(widened(await leaf.ref.data()), { shape: [...leaf.shape] });
}

/** Halves as their bits, or as a Float16Array where the platform has one. */
function widened(data: ArrayBufferView): Float32Array<ArrayBuffer> {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return Float32Array.from(toFloat64("float16", bytes));
}

/** The numbers of an array as they are; consumes it. */
export async function numbersOf(array: Tensor): Promise<Float32Array | Float64Array> {
  // Node 20 has no Float16Array, in which jax-js would hand halves out.
  const data = await (array.dtype === np.float16 ? array.astype(np.float32) : array).data();
  return data instanceof Float32Array || data instanceof Float64Array ? data : Float64Array.from(data);
}

/** A tree's numbers in float32, outside of jax-js. `path` is where the tree stands in the network, for messages. */
export async function plainTree(lent: Tree, path: string): Promise<PlainTree> {
  const below = (name: string | number) => (path === "" ? String(name) : `${path}.${name}`);
  if (lent instanceof Tensor) return plainArray(lent, path);
  if (Array.isArray(lent)) return Promise.all(lent.map((member, i) => plainTree(member, below(i))));
  const members = Object.entries(lent as { [name: string]: Tree }).map(
    async ([name, member]) => [name, await plainTree(member, below(name))] as const,
  );
  return Object.fromEntries(await Promise.all(members));
}

async function plainArray(array: Tensor, name: string): Promise<PlainArray> {
  const { shape } = array;
  const data = Float32Array.from(await numbersOf(array.ref));
  checkFinite(name, data);
  return { data, shape };
}

/** Plain numbers as jax-js arrays, the caller's own. */
export function jaxTree(values: PlainTree): Tree {
  if (isPlainArray(values)) {
    return np.array(values.data as Float32Array<ArrayBuffer>, { shape: [...values.shape] });
  }
  if (Array.isArray(values)) return values.map(jaxTree);
  return Object.fromEntries(Object.entries(values).map(([name, member]) => [name, jaxTree(member)]));
}

/** @throws ExportError when a number is NaN or infinite. */
export function checkFinite(name: string, data: ArrayLike<number>): void {
  for (let i = 0; i < data.length; i++) {
    if (Number.isFinite(data[i])) continue;
    throw new ExportError(
      `${name} holds ${data[i]} (element ${i} of ${data.length}): training diverged, so there is nothing to export. ` +
        "Go back to a checkpoint from before, and train with a smaller learning rate or a gradient norm clipped.",
    );
  }
}
