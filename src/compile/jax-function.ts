import { type Array as JaxArray, jit, type OwnedFunction, tree } from "@jax-js/jax";
import type { Callable, Traceable } from "./callable.ts";
import { typeOf } from "./jax-arrays.ts";
import { JaxBuffer } from "./jax-buffer.ts";
import { readArguments } from "./leaves.ts";
import { NativeArray, nativeArray } from "./native-array.ts";

type Jitted = OwnedFunction<(...args: unknown[]) => unknown>;

/** A function on jax-js's own `jit`. */
export class JaxFunction implements Callable {
  readonly #jitted: Jitted;
  readonly #results: "jax" | "native";

  /** @param results what the leaves of the result are: jax-js's arrays, or NativeArrays that hold them. */
  constructor(fn: Traceable, results: "jax" | "native") {
    this.#jitted = jit(fn as never) as unknown as Jitted;
    this.#results = results;
  }

  async call(args: readonly unknown[]): Promise<unknown> {
    const { leaves, structure } = readArguments(args);
    const operands = leaves.some((leaf) => leaf instanceof NativeArray)
      ? await Promise.all(leaves.map((leaf) => (leaf instanceof NativeArray ? leaf.toJax() : leaf)))
      : leaves;
    const result = this.#jitted(...(tree.unflatten<unknown>(structure, operands) as unknown[]));
    if (this.#results === "jax") return result;
    return tree.map((leaf: JaxArray) => nativeArray(typeOf(leaf), new JaxBuffer(leaf)), result as JaxArray);
  }

  dispose(): void {
    this.#jitted.dispose();
  }
}
