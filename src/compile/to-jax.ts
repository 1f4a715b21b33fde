import { type Array as JaxArray, tree } from "@jax-js/jax";
import { NativeArray } from "./native-array.ts";
import type { ReplacedLeaves } from "./replaced-leaves.ts";

/** The same tree with jax-js's arrays in the places of NativeArrays. */
export type JaxTree<T> = ReplacedLeaves<T, NativeArray | JaxArray, JaxArray>;

/** A tree whose NativeArrays are converted for jax-js's operations; other leaves stay. Consumes the NativeArrays. */
export async function toJax<T>(arrays: T): Promise<JaxTree<T>> {
  const [leaves, structure] = tree.flatten<unknown>(arrays as never);
  const converted = await Promise.all(
    leaves.map((leaf) => (leaf instanceof NativeArray ? leaf.toJax() : leaf)),
  );
  return tree.unflatten<unknown>(structure, converted) as JaxTree<T>;
}
