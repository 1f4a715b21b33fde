import type { AttributeDescription } from "../../formats/onnx/encode.ts";
import { checkFlag } from "../checks.ts";
import { applyWeight, initWeight } from "../controlled.ts";
import type { Control } from "../controls/control.ts";
import { uncontrolled } from "../controls/uncontrolled.ts";
import { ShapeError } from "../errors.ts";
import { splitKey } from "../keys.ts";
import type { Module } from "../module.ts";
import { arrayIn, layerTree, lend } from "../trees.ts";
import type { Shape } from "../types.ts";
import { arrayValue, layerValues } from "../values.ts";
import type { WeightOperator, WeightSlot } from "../weight.ts";
import { uniformFanIn } from "./initial.ts";
import { betweenSteps } from "./slots.ts";
import { checkImage } from "./window.ts";

export interface KernelOptions {
  /** Channels are split into this many groups that do not see each other. Default 1. */
  readonly groups?: number;
  /** Whether a bias is added to every channel. Default true. */
  readonly bias?: boolean;
  /** How the kernel is kept from being steep. Default: not at all. */
  readonly control?: Control;
}

/** What is particular to a layer whose weight is a kernel that slides over images. */
export interface KernelLayer {
  readonly kind: string;
  /** Channels of the output. */
  readonly channels: number;
  /** Spatial axes. */
  readonly axes: number;
  readonly operator: WeightOperator;
  readonly groups: number;
  /** The kernel's shape for inputs of that many channels. */
  weightShape(inputChannels: number): Shape;
  readonly opType: "Conv" | "ConvTranspose";
  /** Attributes of the ONNX node for an input of these spatial sizes. */
  attributes(sizes: Shape): Readonly<Record<string, AttributeDescription>>;
}

/** A convolution of either direction: parameters `weight` and `bias` [channels], state of the control. */
export function kernelLayer(layer: KernelLayer, options: KernelOptions): Module {
  const { kind, channels, axes, operator } = layer;
  const hasBias = checkFlag(kind, "bias", options.bias ?? true);
  const slot: WeightSlot = { name: "weight", operator, control: options.control ?? uncontrolled };
  checkDivides(layer, channels, "output");

  const outputShape = (inputShape: Shape): Shape => {
    checkImage(kind, inputShape, axes);
    checkDivides(layer, inputShape[0], "input");
    return operator.outputShape(layer.weightShape(inputShape[0]), inputShape);
  };

  return {
    kind,
    outputShape,

    init(key, inputShape) {
      outputShape(inputShape);
      const shape = layer.weightShape(inputShape[0]);
      // PyTorch counts the kernel's second axis as the inputs of one output, in both directions.
      const fanIn = shape.slice(1).reduce((all, size) => all * size, 1);
      const [weightKey, biasKey, controlKey] = splitKey(key, 3);
      const variables = initWeight(slot, uniformFanIn(weightKey, shape, fanIn), inputShape, controlKey);
      if (hasBias) variables.params.bias = uniformFanIn(biasKey, [channels], fanIn);
      else biasKey.dispose();
      return variables;
    },

    apply(params, state, x) {
      const own = layerTree(params);
      const inputShape = x.shape.slice(1);
      outputShape(inputShape);
      checkWeight(layer, inputShape, arrayIn(own, "weight").shape);
      const y = applyWeight(slot, own, layerTree(state), x);
      if (!hasBias) return { y, state: lend(state) };
      const bias = arrayIn(own, "bias").ref.reshape([channels, ...new Array<number>(axes).fill(1)]);
      return { y: y.add(bias), state: lend(state) };
    },

    ...betweenSteps([{ slot, inputShape: (shape) => shape }]),

    emit(graph, input, values) {
      const own = layerValues(values);
      const weight = graph.weight(`${values.path}weight`, arrayValue(own.params, "weight"));
      const bias = hasBias ? [graph.weight(`${values.path}bias`, arrayValue(own.params, "bias"))] : [];
      const attributes = layer.attributes(input.shape.slice(1));
      const name = graph.node(layer.opType, [input.name, weight, ...bias], attributes);
      return { name, shape: outputShape(input.shape) };
    },
  };
}

function checkDivides({ kind, groups }: KernelLayer, channels: number, which: string): void {
  if (channels % groups === 0) return;
  throw new ShapeError(
    `${kind}: ${groups} groups do not divide the ${channels} ${which} channels. Use a number of groups that divides both.`,
  );
}

function checkWeight(layer: KernelLayer, inputShape: Shape, weightShape: Shape): void {
  const expected = layer.weightShape(inputShape[0]);
  if (String(expected) === String(weightShape)) return;
  throw new ShapeError(
    `${layer.kind} was made with a kernel of shape [${weightShape}], but an input of ${inputShape[0]} channels needs [${expected}]. Give inputs of the shape that init was called with.`,
  );
}
