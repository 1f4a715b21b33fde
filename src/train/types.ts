import type { Array as Tensor } from "@jax-js/jax";

/** An array of jax-js: a value, or the trace of one while a function is compiled or differentiated. */
export type { Tensor };

/** Sizes of the axes of one example, without the batch axis. */
export type Shape = readonly number[];

/**
 * Arrays in nested plain objects and lists, as jax-js's `tree` functions take them. A layer's tree is an object by name
 * (`{ weight, bias }`), a composition's tree is the list of its parts' trees.
 */
export type Tree = Tensor | Tree[] | { [name: string]: Tree };

/** The tree of one layer. */
export type LayerTree = { [name: string]: Tree };

/** What a module holds: `params` are trained by gradients; `state` moves by other rules (singular vectors, averages). */
export interface Variables {
  params: Tree;
  state: Tree;
}

/** A module's output for a batch, and its state afterwards. */
export interface Applied {
  y: Tensor;
  state: Tree;
}

export interface ApplyOptions {
  /** Whether the network is being trained: batch normalisation then uses the batch's own statistics. Default false. */
  readonly training?: boolean;
}
