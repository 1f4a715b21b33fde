import { checkCount, checkFlag, checkOptions } from "../checks.ts";
import { applyWeight, initWeight } from "../controlled.ts";
import type { Control } from "../controls/control.ts";
import { uncontrolled } from "../controls/uncontrolled.ts";
import { ShapeError } from "../errors.ts";
import { splitKey } from "../keys.ts";
import type { Module } from "../module.ts";
import { arrayIn, layerTree, lend } from "../trees.ts";
import type { Shape } from "../types.ts";
import { arrayValue, layerValues } from "../values.ts";
import type { WeightSlot } from "../weight.ts";
import { denseOperator } from "./dense-operator.ts";
import { uniformFanIn } from "./initial.ts";
import { betweenSteps } from "./slots.ts";

export interface LinearOptions {
  /** Whether a bias is added. Default true. */
  readonly bias?: boolean;
  /** How the weight is kept from being steep. Default: not at all. */
  readonly control?: Control;
}

/**
 * y = W x + b on the last axis. Parameters: `weight` [outputs, inputs] and `bias` [outputs], PyTorch's layout.
 * @throws TrainError for a number of outputs that is not a positive whole number, or unknown options.
 */
export function linear(outputs: number, options: LinearOptions = {}): Module {
  checkCount("linear", "outputs", outputs);
  checkOptions("linear", options, ["bias", "control"]);
  const hasBias = checkFlag("linear", "bias", options.bias ?? true);
  const slot: WeightSlot = {
    name: "weight",
    operator: denseOperator,
    control: options.control ?? uncontrolled,
  };

  const outputShape = (inputShape: Shape): Shape => {
    if (inputShape.length === 0) {
      throw new ShapeError(
        "linear takes inputs with at least one axis of features; got a scalar for each example.",
      );
    }
    return [...inputShape.slice(0, -1), outputs];
  };

  return {
    kind: "linear",
    outputShape,

    init(key, inputShape) {
      outputShape(inputShape);
      const inputs = inputShape.at(-1)!;
      const [weightKey, biasKey, controlKey] = splitKey(key, 3);
      const weight = uniformFanIn(weightKey, [outputs, inputs], inputs);
      const variables = initWeight(slot, weight, inputShape, controlKey);
      if (hasBias) variables.params.bias = uniformFanIn(biasKey, [outputs], inputs);
      else biasKey.dispose();
      return variables;
    },

    apply(params, state, x) {
      const own = layerTree(params);
      checkFeatures(arrayIn(own, "weight").shape, x.shape);
      const y = applyWeight(slot, own, layerTree(state), x);
      return { y: hasBias ? y.add(arrayIn(own, "bias").ref) : y, state: lend(state) };
    },

    ...betweenSteps([{ slot, inputShape: (shape) => shape }]),

    emit(graph, input, values) {
      const own = layerValues(values);
      const weight = graph.weight(`${values.path}weight`, arrayValue(own.params, "weight"));
      const shape = outputShape(input.shape);
      const flat = input.shape.length === 1;
      const bias = hasBias ? [graph.weight(`${values.path}bias`, arrayValue(own.params, "bias"))] : [];
      if (flat) {
        const gemm = graph.node("Gemm", [input.name, weight, ...bias], { transB: { kind: "int", value: 1 } });
        return { name: gemm, shape };
      }
      const transposed = graph.node("Transpose", [weight], { perm: { kind: "ints", value: [1, 0] } });
      const product = graph.node("MatMul", [input.name, transposed]);
      return { name: hasBias ? graph.node("Add", [product, ...bias]) : product, shape };
    },
  };
}

function checkFeatures([, inputs]: Shape, batch: Shape): void {
  if (batch.length > 1 && batch.at(-1) === inputs) return;
  throw new ShapeError(
    `linear was made for ${inputs} features, so it takes batches of shape [batch, …, ${inputs}]; got [${batch}]. Is a flatten() missing before it?`,
  );
}
