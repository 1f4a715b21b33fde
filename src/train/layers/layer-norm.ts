import { numpy as np } from "@jax-js/jax";
import { checkCount, checkOptions, checkPositive } from "../checks.ts";
import { ShapeError } from "../errors.ts";
import type { Module } from "../module.ts";
import { arrayIn, layerTree, lend } from "../trees.ts";
import type { Shape } from "../types.ts";
import { arrayValue, layerValues } from "../values.ts";
import { float, int } from "./attributes.ts";
import { atLeastFloat32 } from "./precision.ts";
import { betweenSteps } from "./slots.ts";

export interface LayerNormOptions {
  /** How many of the last axes are normalised together. Default 1, the features. */
  readonly axes?: number;
  /** Added to the variance. Default 1e-5. */
  readonly epsilon?: number;
}

/**
 * (x − mean)/√(variance + ε)·weight + bias with the statistics of each example's last axes (Ba, Kiros & Hinton 2016,
 * arXiv:1607.06450). The shape stays. Its Lipschitz constant is max|weight|/√ε, finite but of no use: it divides by what may be
 * almost nothing. Parameters: `weight` and `bias` of the shape of the normalised axes.
 * @throws TrainError for a number of axes that is not a positive whole number, an ε that is not positive, unknown options; in
 * `init`, ShapeError for inputs of fewer axes.
 */
export function layerNorm(options: LayerNormOptions = {}): Module {
  checkOptions("layerNorm", options, ["axes", "epsilon"]);
  const axes = checkCount("layerNorm", "axes", options.axes ?? 1);
  const epsilon = checkPositive("layerNorm", "epsilon", options.epsilon ?? 1e-5);

  const outputShape = (inputShape: Shape): Shape => {
    if (inputShape.length >= axes) return inputShape;
    throw new ShapeError(
      `layerNorm normalises the last ${axes} axes of its input; got inputs of shape [${inputShape}] after the batch axis.`,
    );
  };

  return {
    kind: "layerNorm",
    outputShape,

    init(key, inputShape) {
      key.dispose();
      const shape = outputShape(inputShape).slice(-axes);
      return { params: { weight: np.ones(shape), bias: np.zeros(shape) }, state: {} };
    },

    apply(params, state, x) {
      const own = layerTree(params);
      const weight = arrayIn(own, "weight");
      checkLastAxes(weight.shape, x.shape);
      const over = weight.shape.map((_, i) => i - axes);
      const { dtype } = x;
      const wide = atLeastFloat32(x);
      const centred = wide.ref.sub(np.mean(wide, over, { keepdims: true }));
      const variance = np.mean(np.square(centred.ref), over, { keepdims: true });
      const unit = centred.div(np.sqrt(variance.add(epsilon)));
      return { y: unit.mul(weight.ref).add(arrayIn(own, "bias").ref).astype(dtype), state: lend(state) };
    },

    ...betweenSteps([]),

    emit(graph, input, values) {
      const { params } = layerValues(values);
      const weight = graph.weight(`${values.path}weight`, arrayValue(params, "weight"));
      const bias = graph.weight(`${values.path}bias`, arrayValue(params, "bias"));
      const attributes = { axis: int(-axes), epsilon: float(epsilon) };
      return {
        name: graph.node("LayerNormalization", [input.name, weight, bias], attributes),
        shape: input.shape,
      };
    },
  };
}

function checkLastAxes(expected: Shape, batch: Shape): void {
  if (String(batch.slice(1).slice(-expected.length)) === String(expected)) return;
  throw new ShapeError(
    `layerNorm was made for inputs that end in [${expected}]; got a batch of shape [${batch}]. Give inputs of the shape that init was called with.`,
  );
}
