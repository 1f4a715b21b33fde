import type { LinearOperator } from "../linalg/operator.ts";
import type { Control } from "./controls/control.ts";
import type { Shape, Tensor } from "./types.ts";

/**
 * A weight as the linear operator its layer applies, batch axis first. Both directions consume their arguments.
 *
 * ⟨apply(W, x), y⟩ = ⟨x, adjoint(W, y)⟩ for one example: the spectral norm controlled here is that of this operator, at the
 * size of the layer's input, not that of the reshaped kernel.
 */
export interface WeightOperator {
  /** W x for a batch: [batch, ...input] → [batch, ...output]. */
  apply(weight: Tensor, x: Tensor): Tensor;
  /** Wᵀ y for a batch: [batch, ...output] → [batch, ...input]; `inputShape` without the batch axis. */
  adjoint(weight: Tensor, y: Tensor, inputShape: Shape): Tensor;
  /** The shape of one output. */
  outputShape(weightShape: Shape, inputShape: Shape): Shape;
  /** The weight as the matrix that `reshaped` norms and orthonormal controls speak of (PyTorch's reshaping). */
  readonly matrix: MatrixView;
  /** The same operator for proofs, from the weight's numbers. */
  exact(values: Float32Array | Float64Array, weightShape: Shape, inputShape: Shape): LinearOperator;
}

/** A weight reshaped to a matrix, and back. */
export interface MatrixView {
  /** [rows, columns] of the matrix of a weight. */
  shape(weightShape: Shape): readonly [rows: number, columns: number];
  /** The matrix; consumes the weight. */
  of(weight: Tensor): Tensor;
  /** The weight of a matrix; consumes it. */
  restore(matrix: Tensor, weightShape: Shape): Tensor;
  /** A number f with ‖operator‖ ≤ f·σ(matrix) for every weight of this shape; 1 for dense weights. */
  factor(weightShape: Shape): number;
}

/** One weight of a layer: its name among the parameters, how it acts, and how it is controlled. */
export interface WeightSlot {
  readonly name: string;
  readonly operator: WeightOperator;
  readonly control: Control;
}

/** A weight in a network. */
export interface WeightUse {
  /** Where its layer's tree is: indices into the trees of the compositions around it. */
  readonly path: readonly number[];
  readonly slot: WeightSlot;
  /** The shape of one input of the operator. */
  readonly inputShape: Shape;
}
