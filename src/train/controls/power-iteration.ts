import { lax, numpy as np, random } from "@jax-js/jax";
import { splitKey } from "../keys.ts";

import type { LayerTree, Shape, Tensor } from "../types.ts";
import type { WeightOperator } from "../weight.ts";
import type { NormOf } from "./control.ts";
import { widened } from "./matrices.ts";
import type { Held } from "./rule.ts";

/** PyTorch starts with as many: enough for the first steps, the iteration goes on while training. */
const STARTING_ITERATIONS = 15;

/** Both directions of the linear map whose norm is controlled, batch axis first; they consume the vectors they get. */
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
  const matching = (vectors: Tensor) => vectors.astype(weight.dtype);
  if (norm === "operator") {
    return {
      apply: (v) => operator.apply(weight.ref, matching(v)),
      adjoint: (u) => operator.adjoint(weight.ref, matching(u), inputShape),
    };
  }
  return {
    apply: (v) => np.matmul(matching(v), np.transpose(operator.matrix.of(weight.ref))),
    adjoint: (u) => np.matmul(matching(u), operator.matrix.of(weight.ref)),
  };
}

/** Vectors near the leading singular ones, from random ones; `u` left and `v` right. Lends `held`, consumes `key`. */
export function startingVectors(held: Held, norm: NormOf, inputShape: Shape, key: Tensor): LayerTree {
  const shapes = vectorShapes(held.operator, held.weight.shape, norm, inputShape);
  const [keyU, keyV] = splitKey(key, 2);
  const start = { u: random.normal(keyU, shapes.u), v: random.normal(keyV, shapes.v) };
  const vectors = widened(held, ({ operator, weight }) =>
    iterate(linearMap(operator, weight, norm, inputShape), start, STARTING_ITERATIONS),
  );
  start.u.dispose();
  start.v.dispose();
  return vectors;
}

/** The shape of one input of the operator, from the vectors of its iteration: that of `v` after a batch axis of 1. */
export function inputShapeOf(vectors: LayerTree): Shape {
  return (vectors.v as Tensor).shape.slice(1);
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
 * Power iteration on WᵀW from the right vector: u ← Wv/‖Wv‖, v ← Wᵀu/‖Wᵀu‖, `steps` times, in PyTorch's order. Where a product is zero the
 * vector it would replace stays, so that a zero weight never makes NaN. Lends `vectors`.
 */
export function iterate(map: LinearMap, vectors: LayerTree, steps: number): { u: Tensor; v: Tensor } {
  let u = (vectors.u as Tensor).ref;
  let v = (vectors.v as Tensor).ref;
  for (let step = 0; step < steps; step++) {
    u = unit(map.apply(v.ref), u);
    v = unit(map.adjoint(u.ref), v);
  }
  return { u, v };
}

/**
 * σ ≈ ⟨Wᵀu, v⟩ with the vectors held fixed, so that ∂σ/∂W = u vᵀ. Lends `vectors`; the sign is that of the product. `iterate` ends
 * with the same Wᵀu: a compiled step that advances and then uses the weight computes it once.
 */
export function singularValue(map: LinearMap, vectors: LayerTree): Tensor {
  const image = map.adjoint(lax.stopGradient((vectors.u as Tensor).ref));
  return np.sum(image.mul(lax.stopGradient((vectors.v as Tensor).ref.astype(image.dtype))));
}

/** The vector scaled to length 1; `fallback` where it is zero or not finite. Consumes both. */
function unit(vector: Tensor, fallback: Tensor): Tensor {
  const length = np.sqrt(np.sum(np.square(vector.ref)));
  // length · 1/length is 1, and NaN for 0, ∞ and NaN.
  const usable = np.greater(length.ref.mul(np.reciprocal(length.ref)), 0);
  return np.where(usable, vector.div(length), fallback);
}
