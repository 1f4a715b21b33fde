import type { Tree } from "../types.ts";

/**
 * A rule for moving parameters against a gradient: pure functions over trees, as in optax. `params` and `state` are **lent**,
 * the gradient is **consumed**, results belong to the caller. Everything can be traced and compiled.
 */
export interface Optimizer {
  /** What it is, in messages: "adam", "sgd". */
  readonly kind: string;
  /** The state before the first step, of zeros. */
  init(params: Tree): Tree;
  /**
   * One step.
   * @throws TrainError when the gradient or the state is not of the structure of the parameters.
   */
  update(gradient: Tree, state: Tree, params: Tree): OptimizerStep;
}

/** Parameters and state after a step. */
export interface OptimizerStep {
  params: Tree;
  state: Tree;
}
