import type { SymbolBound, SymbolBoundOptions } from "./symbol-bound.ts";
import type { SymbolGrid } from "./symbol-grid.ts";

/**
 * Algorithms are written once, as generators that ask for what they need of their operator and do not care who
 * computes it: the same code serves one synchronous thread, several workers, or rows streamed from a file.
 */
export interface Requests {
  /** AᵀA v; the vector is not to be changed or kept, the answer belongs to the algorithm. */
  gram: { ask: { vector: Float64Array }; answer: Float64Array };
  /** A v. */
  apply: { ask: { vector: Float64Array }; answer: Float64Array };
  /** The Gram matrix of the matrix times a power of two, over its shorter side (lower triangle). */
  gramMatrix: { ask: { scale: number }; answer: Float64Array };
  /** A bound of the convolution's symbol over a grid of frequencies. */
  symbolBound: { ask: { grid: SymbolGrid; options: SymbolBoundOptions }; answer: SymbolBound };
}

export type RequestKind = keyof Requests;

type RequestOf<K extends RequestKind> = { readonly kind: K } & Readonly<Requests[K]["ask"]>;

export type Request = { [K in RequestKind]: RequestOf<K> }[RequestKind];

type Answer = Requests[RequestKind]["answer"];

/** An algorithm that asks, is resumed with each answer, and returns `Result`. */
export type Iteration<Result> = Generator<Request, Result, Answer>;

/** Asks for one thing from inside an `Iteration`: `const w = yield* ask({ kind: "gram", vector })`. */
export function* ask<K extends RequestKind>(request: RequestOf<K>): Iteration<Requests[K]["answer"]> {
  return (yield request as unknown as Request) as Requests[K]["answer"];
}

/** Answers the kinds an operator supports, at once … */
export type Answers = { [K in RequestKind]?: (request: RequestOf<K>) => Requests[K]["answer"] };

/** … or in time. */
export type AsyncAnswers = { [K in RequestKind]?: (request: RequestOf<K>) => Promise<Requests[K]["answer"]> };

function responder(answers: Answers | AsyncAnswers, kind: RequestKind) {
  const respond = answers[kind] as ((request: Request) => Answer | Promise<Answer>) | undefined;
  if (respond === undefined) throw new Error(`this operator cannot answer "${kind}"`);
  return respond;
}

/** Runs an algorithm to its end on the calling thread. */
export function runIteration<Result>(iteration: Iteration<Result>, answers: Answers): Result {
  let state = iteration.next();
  while (!state.done) state = iteration.next(responder(answers, state.value.kind)(state.value) as Answer);
  return state.value;
}

/** Runs an algorithm to its end, waiting for each answer; stops between answers when `signal` aborts. */
export async function runIterationAsync<Result>(
  iteration: Iteration<Result>,
  answers: AsyncAnswers,
  signal?: AbortSignal,
): Promise<Result> {
  let state = iteration.next();
  while (!state.done) {
    signal?.throwIfAborted();
    state = iteration.next(await responder(answers, state.value.kind)(state.value));
  }
  return state.value;
}
