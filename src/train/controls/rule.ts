import type { LayerTree, Shape, Tensor } from "../types.ts";
import type { WeightOperator } from "../weight.ts";

/** A weight about to be controlled. Everything in it is lent. */
export interface Held {
  readonly operator: WeightOperator;
  /** The stored weight. */
  readonly weight: Tensor;
  /** The trained factor of a control with `learnableScale`. */
  readonly factor?: Tensor;
}

/** A weight as its layer uses it: y = scale·(weight x). Both belong to the caller. */
export interface Effective {
  readonly weight: Tensor;
  /** A scalar that multiplies the output, so that no scaled copy of the weight is made; undefined is 1. */
  readonly scale?: Tensor | undefined;
}

/** What a kind of control does. Functions leave what they are lent as it is and return arrays the caller owns. */
export interface ControlRule<C> {
  /** The state at the start, and the weight if the control starts from another one. Consumes `key`. */
  init(control: C, held: Held, inputShape: Shape, key: Tensor): { weight: Tensor; state: LayerTree };
  /** The weight the layer uses; gradients flow through it. */
  effective(control: C, held: Held, state: LayerTree): Effective;
  /**
   * What the layer gives for a batch x, the same as through `effective` up to rounding, where that is cheaper than building
   * the weight; otherwise undefined, and only then x is not consumed.
   */
  output?(control: C, held: Held, state: LayerTree, x: Tensor): Tensor | undefined;
  /** The state one step further; called once for each optimiser step. */
  advance(control: C, held: Held, state: LayerTree): LayerTree;
  /** The stored weight after an optimiser step, moved into the allowed set. */
  project(control: C, held: Held, state: LayerTree): { weight: Tensor; state: LayerTree };
  /** The largest singular value the control promises, and of what. */
  promise(control: C): { readonly cap: number; readonly norm: "operator" | "reshaped" } | null;
}
