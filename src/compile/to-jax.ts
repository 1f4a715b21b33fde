import { type Array as JaxArray, tree } from "@jax-js/jax";
import { NativeArray } from "./native-array.ts";

/** The same tree with jax-js's arrays in the places of NativeArrays. */
export type JaxTree<T> = T extends NativeArray
  ? JaxArray
  : T extends JaxArray
    ? T
    : T extends readonly (infer U)[]
      ? number extends T["length"]
        ? JaxTree<U>[]
        : { [K in keyof T]: JaxTree<T[K]> }
      : T extends object
        ? { [K in keyof T]: JaxTree<T[K]> }
        : T;

/** A tree whose NativeArrays are converted for jax-js's operations; other leaves stay. Consumes the NativeArrays. */
export async function toJax<T>(arrays: T): Promise<JaxTree<T>> {
  const [leaves, structure] = tree.flatten<unknown>(arrays as never);
  const converted = await Promise.all(
    leaves.map((leaf) => (leaf instanceof NativeArray ? leaf.toJax() : leaf)),
  );
  return tree.unflatten<unknown>(structure, converted) as JaxTree<T>;
}
