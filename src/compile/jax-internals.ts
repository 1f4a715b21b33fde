import { Array as JaxArray } from "@jax-js/jax";

// What the runtime relies on and jax-js's documentation does not promise; trace.ts has the rest. Pinned to jax-js 0.1.25.

/** What jax-js's arrays and the symbols of traced functions inherit from. */
const tracer = Object.getPrototypeOf(JaxArray.prototype) as object;

/** Whether a value is an array of jax-js, or a symbol that stands for one while a function is traced. */
export function isTracer(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.prototype.isPrototypeOf.call(tracer, value);
}

/**
 * Makes a class a leaf whose references jax-js's `tree.ref` and `tree.dispose` count: they call `ref` and `dispose` of what
 * inherits as its own arrays do. jax-js's operations then take such a leaf for an operand, and ask it first for `_trace`,
 * its transformations for `aval`.
 * @param refuse called, on the leaf, when an operation asks.
 */
export function actAsLeaf(prototype: object, refuse: (leaf: unknown) => never): void {
  Object.setPrototypeOf(prototype, tracer);
  const asked: PropertyDescriptor = {
    get(this: unknown) {
      return refuse(this);
    },
  };
  Object.defineProperties(prototype, { _trace: asked, aval: asked });
}

/**
 * Whether an array's elements can only be waited for: they are in a GPU's memory, or jax-js computes in workers, which it
 * does on these two conditions, and then fails where it is asked for elements at once.
 */
export function mustBeAwaited(array: JaxArray): boolean {
  if (array.device === "wasm")
    return typeof SharedArrayBuffer !== "undefined" && typeof Worker !== "undefined";
  return array.device !== "cpu";
}

/**
 * jax-js compares what it makes an array of with `Float16Array`, after float32 and the integers, without asking whether there
 * is such a class (Node has it from 24 on): float64 would fail with a ReferenceError. An empty class of that name stands in
 * during the call, which is synchronous.
 */
export function withFloat16Array<T>(make: () => T): T {
  const scope = globalThis as { Float16Array?: unknown };
  if (scope.Float16Array !== undefined) return make();
  scope.Float16Array = class Float16Array {};
  try {
    return make();
  } finally {
    delete scope.Float16Array;
  }
}
