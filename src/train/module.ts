import type { GraphBuilder, LayerValues, Signal } from "./graph-builder.ts";
import type { Applied, ApplyOptions, Shape, Tensor, Tree, Variables } from "./types.ts";
import type { WeightUse } from "./weight.ts";

/**
 * A layer or a composition of layers: pure functions and no arrays of its own.
 *
 * Who owns what: `params` and `state` are **lent** to every function below, which leaves them as they are; what flows through
 * (`x`, keys) is **consumed**, as every jax-js operation consumes its operands; what is returned belongs to the caller.
 */
export interface Module {
  /** What it is, in messages and names: "linear", "conv2d", "sequential". */
  readonly kind: string;

  /**
   * The shape of one output for one input of the given shape (no batch axis).
   * @throws ShapeError when the input does not fit.
   */
  outputShape(inputShape: Shape): Shape;

  /**
   * Parameters and state at the start, for inputs of the given shape; `key` is a jax-js random key.
   * @throws ShapeError when the input does not fit.
   */
  init(key: Tensor, inputShape: Shape): Variables;

  /** The outputs for a batch `x` of shape [batch, ...inputShape]. Never moves the state of a control. */
  apply(params: Tree, state: Tree, x: Tensor, options?: ApplyOptions): Applied;

  /** The state after one more step of every control (a power iteration …): once for each step of the optimiser. */
  advance(params: Tree, state: Tree): Tree;

  /** The parameters after a step of the optimiser, moved back into the set their controls allow (hard projections). */
  project(params: Tree, state: Tree): Variables;

  /** The weights it holds, with where to find them and the shape of their input. */
  weights(inputShape: Shape): readonly WeightUse[];

  /** Adds its nodes, in evaluation mode with baked weights, to an ONNX graph. */
  emit(graph: GraphBuilder, input: Signal, values: LayerValues): Signal;
}
