/**
 * Iterations are written once, as generators that ask for products and do not care who computes them: the same
 * code serves one synchronous thread, several workers, or rows streamed from a file.
 */

/** A product an iteration needs of its operator A. */
export interface ProductRequest {
  /** "gram": AᵀA v. "apply": A v. The vector is not to be changed or kept. */
  readonly kind: "gram" | "apply";
  readonly vector: Float64Array;
}

/** An algorithm that asks for products, is resumed with each, and returns `Result`. */
export type Iteration<Result> = Generator<ProductRequest, Result, Float64Array>;

/** Answers requests at once. The returned arrays belong to the iteration. */
export type Products = (request: ProductRequest) => Float64Array;

/** Answers requests in time. */
export type AsyncProducts = (request: ProductRequest) => Promise<Float64Array>;

/** Runs an iteration to its end on the calling thread. */
export function runIteration<Result>(iteration: Iteration<Result>, products: Products): Result {
  let state = iteration.next();
  while (!state.done) state = iteration.next(products(state.value));
  return state.value;
}

/** Runs an iteration to its end, waiting for each product; stops between products when `signal` aborts. */
export async function runIterationAsync<Result>(
  iteration: Iteration<Result>,
  products: AsyncProducts,
  signal?: AbortSignal,
): Promise<Result> {
  let state = iteration.next();
  while (!state.done) {
    signal?.throwIfAborted();
    state = iteration.next(await products(state.value));
  }
  return state.value;
}
