/** What can be compiled: a function of trees that jax-js can trace. */
export type Traceable = (...args: never[]) => unknown;

/** A compiled function, on a device of onnxruntime or on jax-js. */
export interface Callable {
  /** Consumes the arrays of its arguments. */
  call(args: readonly unknown[]): Promise<unknown>;
  /** Frees what was made for it, once the calls under way have ended. */
  dispose(): void;
}
