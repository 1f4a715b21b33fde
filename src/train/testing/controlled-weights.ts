import { numpy as np } from "@jax-js/jax";
import { withSpectrum } from "../../linalg/clip.ts";
import { spectralNorm } from "../../linalg/spectral-norm.ts";
import { singularValuesSmall } from "../../linalg/svd.ts";
import type { Effective, Held } from "../controls/rule.ts";
import { convolutionOperator } from "../layers/convolution-operator.ts";
import { denseOperator } from "../layers/dense-operator.ts";
import { slidingWindow } from "../layers/window.ts";
import type { Shape, Tensor } from "../types.ts";
import type { WeightOperator } from "../weight.ts";

/** A weight to control in a test: its operator, its shape and its operator's input. */
export interface WeightCase {
  readonly name: string;
  readonly operator: WeightOperator;
  readonly shape: Shape;
  readonly inputShape: Shape;
}

const overlapping = slidingWindow("conv2d", 2, [3, 2], { padding: 1 });

export const weightCases: readonly WeightCase[] = [
  { name: "wide", operator: denseOperator, shape: [4, 7], inputShape: [7] },
  { name: "square", operator: denseOperator, shape: [5, 5], inputShape: [5] },
  { name: "tall", operator: denseOperator, shape: [7, 4], inputShape: [4] },
  { name: "one row", operator: denseOperator, shape: [1, 6], inputShape: [6] },
  { name: "one column", operator: denseOperator, shape: [6, 1], inputShape: [1] },
  {
    name: "convolution",
    operator: convolutionOperator("conv2d", overlapping, 1),
    shape: [3, 2, 3, 2],
    inputShape: [2, 4, 4],
  },
];

/** Numbers of a normal-like distribution from a seed, the same everywhere. */
export function drawn(count: number, seed: number): Float64Array {
  let state = (seed * 2654435761 + 1) >>> 0;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return Float64Array.from({ length: count }, () => {
    const radius = Math.sqrt(-2 * Math.log(uniform()));
    return radius * Math.cos(2 * Math.PI * uniform());
  });
}

/** A random matrix with the given singular values, decreasing; row-major. */
export function withSingularValues(values: readonly number[], rows: number, columns: number, seed = 1) {
  return withSpectrum(drawn(rows * columns, seed), rows, columns, () => Float64Array.from(values));
}

export function tensor(values: ArrayLike<number>, shape: Shape): Tensor {
  return np.array(Float32Array.from(values), { shape: [...shape] });
}

/** The numbers of an array; consumes it. */
export function numbers(array: Tensor): Float64Array {
  return Float64Array.from(array.dataSync());
}

export function sizeOf(shape: Shape): number {
  return shape.reduce((all, n) => all * n, 1);
}

export function heldOf({ operator }: Pick<WeightCase, "operator">, weight: Tensor): Held {
  return { operator, weight };
}

/** weight·scale; consumes both. */
export function weightOf({ weight, scale }: Effective): Tensor {
  return scale ? weight.mul(scale) : weight;
}

/** Singular values of the weight's matrix, decreasing; lends the weight. */
export function matrixSpectrum({ operator }: Pick<WeightCase, "operator">, weight: Tensor): Float64Array {
  const [rows, columns] = operator.matrix.shape(weight.shape);
  return singularValuesSmall(numbers(operator.matrix.of(weight.ref)), rows, columns);
}

/** The proved interval of the operator's norm; lends the weight. */
export function operatorNorm({ operator, inputShape }: WeightCase, weight: Tensor) {
  return spectralNorm(operator.exact(numbers(weight.ref), weight.shape, inputShape), {
    guarantee: "proof",
    gap: 1e-5,
  });
}

export function distance(a: Float64Array, b: Float64Array): number {
  return Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0));
}
