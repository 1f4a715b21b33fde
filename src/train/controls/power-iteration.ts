import { lax, numpy as np } from "@jax-js/jax";
import type { LayerTree, Shape, Tensor } from "../types.ts";
import type { WeightOperator } from "../weight.ts";
import type { NormOf } from "./control.ts";

/** Both directions of the linear map whose norm is controlled, for batches of one; they consume the vectors they get. */
export interface LinearMap {
  apply(v: Tensor): Tensor;
  adjoint(u: Tensor): Tensor;
}

/** The map of a weight: the layer's own operator, or its kernel as a matrix. Lends the weight. */
export function linearMap(
  operator: WeightOperator,
  weight: Tensor,
  norm: NormOf,
  inputShape: Shape,
): LinearMap {
  const precise = () => weight.ref.astype(np.float32);
  if (norm === "operator") {
    return {
      apply: (v) => operator.apply(precise(), v),
      adjoint: (u) => operator.adjoint(precise(), u, inputShape),
    };
  }
  return {
    apply: (v) => np.matmul(v, np.transpose(operator.matrix.of(precise()))),
    adjoint: (u) => np.matmul(u, operator.matrix.of(precise())),
  };
}

/** The shapes of one right and one left singular vector, batch axis included. */
export function vectorShapes(operator: WeightOperator, weightShape: Shape, norm: NormOf, inputShape: Shape) {
  if (norm === "operator") {
    return { v: [1, ...inputShape], u: [1, ...operator.outputShape(weightShape, inputShape)] };
  }
  const [rows, columns] = operator.matrix.shape(weightShape);
  return { v: [1, columns], u: [1, rows] };
}

/**
 * Power iteration on WᵀW from the left vector: v ← Wᵀu/‖Wᵀu‖, u ← Wv/‖Wv‖, `steps` times. Where a product is zero the
 * vector it would replace stays, so that a zero weight never makes NaN. Lends `vectors`.
 */
export function iterate(map: LinearMap, vectors: LayerTree, steps: number): { u: Tensor; v: Tensor } {
  let u = (vectors.u as Tensor).ref;
  let v = (vectors.v as Tensor).ref;
  for (let step = 0; step < steps; step++) {
    v = unit(map.adjoint(u.ref), v);
    u = unit(map.apply(v.ref), u);
  }
  return { u, v };
}

/** σ ≈ ⟨u, W v⟩ with the vectors held fixed, so that ∂σ/∂W = u vᵀ. Lends `vectors`; the sign is that of the product. */
export function singularValue(map: LinearMap, vectors: LayerTree): Tensor {
  const image = map.apply(lax.stopGradient((vectors.v as Tensor).ref));
  return np.sum(image.mul(lax.stopGradient((vectors.u as Tensor).ref)));
}

/** The vector scaled to length 1; `fallback` where it is zero or not finite. Consumes both. */
function unit(vector: Tensor, fallback: Tensor): Tensor {
  const length = np.sqrt(np.sum(np.square(vector.ref)));
  const usable = np.greater(length.ref, 0);
  const divisor = np.where(usable.ref, length, 1);
  return np.where(usable, vector.div(divisor), fallback);
}
