import type { Array as JaxArray } from "@jax-js/jax";
import type { ArrayType } from "./array-type.ts";
import { type ArrayData, arrayData } from "./element-types.ts";
import { CompileError, ConsumedError } from "./errors.ts";
import { jaxArrayOf } from "./jax-arrays.ts";
import { JaxBuffer } from "./jax-buffer.ts";
import { actAsLeaf } from "./jax-internals.ts";
import type { ElementType } from "./lowered.ts";
import type { ArrayStorage } from "./storage.ts";

let live = 0;

/** How many NativeArrays have been made and not yet given up: what a test for leaks counts. */
export function liveArrays(): number {
  return live;
}

// What the runtime may do with an array and its users may not; defined inside the class, which alone sees its fields.
let make: (type: ArrayType, storage: ArrayStorage) => NativeArray;
let give: (array: NativeArray, use: string) => ArrayStorage;
let see: (array: NativeArray) => ArrayType;

/**
 * An array that stays in the runtime which computed it: what compiled functions return, and take back without copying.
 *
 * It is owned as jax-js's arrays are: a call consumes it, `.ref` keeps it for one more use. jax-js's `tree` functions treat
 * it as an array (a leaf; `tree.ref` and `tree.dispose` count it); its operations do not take it: see `toJax`.
 */
export class NativeArray {
  readonly #type: ArrayType;
  #storage: ArrayStorage | undefined;
  #references = 1;

  private constructor(type: ArrayType, storage: ArrayStorage) {
    this.#type = type;
    this.#storage = storage;
    live++;
  }

  static {
    make = (type, storage) => new NativeArray(type, storage);
    give = (array, use) => array.#give(use);
    see = (array) => array.#type;
  }

  /** Size of each axis. */
  get shape(): readonly number[] {
    return this.#type.shape;
  }

  get dtype(): ElementType {
    return this.#type.dtype;
  }

  /** Whether the value yields to the other operand's type, as a plain number does. */
  get weakType(): boolean {
    return this.#type.weakType;
  }

  /** Number of elements. */
  get size(): number {
    return this.#type.size;
  }

  /** Number of axes. */
  get ndim(): number {
    return this.#type.shape.length;
  }

  /** The same array with one more reference: one more use before it is gone. */
  get ref(): this {
    this.#held("ref");
    this.#references++;
    return this;
  }

  /** References left; 0 once consumed. */
  get refCount(): number {
    return this.#references;
  }

  /** Gives up one reference. */
  dispose(): void {
    this.#give("dispose").release();
  }

  /**
   * Its elements in row-major order, in an array that is the caller's from then on. Types are jax-js's: bool comes as
   * Int32Array of 0 and 1; float16 as Float16Array or, where JavaScript lacks it, as its bits in a Uint16Array. Consumes
   * the array.
   */
  async data(): Promise<ArrayData> {
    return arrayData(this.dtype, await this.#give("data").take());
  }

  /** The same array for jax-js's operations, on its default device. Consumes the array. */
  async toJax(): Promise<JaxArray> {
    const storage = this.#give("toJax");
    if (storage instanceof JaxBuffer) return storage.array();
    const host = await storage.host();
    try {
      return jaxArrayOf(this.#type, host.data);
    } finally {
      host.release();
      storage.release();
    }
  }

  toString(): string {
    return `NativeArray:${this.#type.layout}`;
  }

  /** Gives up one reference; the caller becomes a holder of the storage. */
  #give(use: string): ArrayStorage {
    const storage = this.#held(use);
    if (--this.#references > 0) {
      storage.retain();
    } else {
      this.#storage = undefined;
      live--;
    }
    return storage;
  }

  #held(use: string): ArrayStorage {
    if (this.#storage !== undefined) return this.#storage;
    throw new ConsumedError(
      `NativeArray.${use}: ${this} was consumed already. Write \`.ref\` at its earlier use to keep it for this one.`,
    );
  }
}

actAsLeaf(NativeArray.prototype, (array) => {
  throw new CompileError(
    `${String(array)} is in the runtime of a compiled function, where jax-js's operations do not reach. ` +
      "Convert it with `await array.toJax()`, or pass it to a compiled function as an argument.",
  );
});

/** An array with one reference, which takes over the caller's hold on the storage. */
export function nativeArray(type: ArrayType, storage: ArrayStorage): NativeArray {
  return make(type, storage);
}

/**
 * Gives up one reference of an array; the caller becomes a holder of its storage.
 * @throws ConsumedError when there is none left.
 */
export function consume(array: NativeArray): ArrayStorage {
  return give(array, "ref");
}

export function typeOfNative(array: NativeArray): ArrayType {
  return see(array);
}
