import type { OnnxNode } from "../../formats/onnx/types.ts";
import { divUp, down, sqrtDown } from "../../linalg/rounding.ts";
import { floatAttribute, intAttribute } from "../attributes.ts";
import { bounded, type ConstantRule, unbounded } from "../constants/rule.ts";
import { values } from "../constants/stored-values.ts";
import { axisRange, sizeOf } from "./index-maps.ts";
import { DEFAULT_EPSILON } from "./normalization-constant.ts";
import { scaledPart } from "./parts.ts";
import type { OperationRule } from "./rule.ts";

const TRAINING = "in training mode it normalises by the batch itself";

/** From operator set 14 on an attribute says so, before that the outputs. */
function isTraining(node: OnnxNode, opset: number): boolean {
  return opset >= 14 ? intAttribute(node, "training_mode") === 1 : node.outputs.slice(1).some(Boolean);
}

export const batchConstant: ConstantRule = async ({ node, scope, opset }) => {
  if (isTraining(node, opset)) return unbounded(TRAINING);
  const gamma = await values(scope, node.inputs[1] ?? "");
  const variance = await values(scope, node.inputs[4] ?? "");
  if (gamma === null || variance === null || gamma.length !== variance.length) {
    return unbounded("its scale and variance could not be read");
  }
  const epsilon = floatAttribute(node, "epsilon") ?? DEFAULT_EPSILON;
  let largest = 0;
  for (const [i, v] of variance.entries()) {
    const root = v >= 0 ? sqrtDown(down(v + epsilon)) : 0;
    const ratio = divUp(Math.abs(gamma[i]), root);
    if (!Number.isFinite(ratio)) return unbounded(`channel ${i} has variance ${v} and scale ${gamma[i]}`);
    largest = Math.max(largest, ratio);
  }
  return bounded(largest, "largest |scale| / √(variance + epsilon) of a channel");
};

/** Roundings of scale/√(variance + epsilon): a sum, a root right to a few ulps, a division. */
const COEFFICIENT = 8;

/** Those of bias − mean·coefficient, and of the sum of their magnitudes. */
const OFFSET = 2 * (COEFFICIENT + 3);

/** Scale, bias, mean and variance. */
const PARAMETERS = [1, 2, 3, 4];

export const batchOperation: OperationRule = ({ node, opset, inputs, signals }) => {
  if (isTraining(node, opset)) return TRAINING;
  const parameters = PARAMETERS.map((i) => inputs[i]?.data);
  if (signals.some((i) => i !== 0) || !parameters.every((p) => p !== undefined))
    return "its scale, bias or statistics depend on the network's input";
  const [scale, bias, mean, variance] = parameters;
  const x = inputs[0]?.shape ?? [];
  const size = sizeOf(x);
  // Operator sets 7 and 8 may have one parameter for each entry of an example.
  const perEntry = opset < 9 && intAttribute(node, "spatial") === 0;
  const pixels = perEntry ? 1 : sizeOf(x.slice(2));
  const channels = perEntry ? sizeOf(x.slice(1)) : (x[1] ?? 1);
  if (parameters.some((p) => p.length !== channels)) return `its parameters are not ${channels} numbers each`;
  const epsilon = floatAttribute(node, "epsilon") ?? DEFAULT_EPSILON;
  const factors = scale.map((s, c) => s / Math.sqrt(variance[c] + epsilon));
  const bad = factors.findIndex((f, c) => !Number.isFinite(f * mean[c] + bias[c]));
  if (bad >= 0) return `channel ${bad} has variance ${variance[bad]} and scale ${scale[bad]}`;
  const spread = (of: (c: number) => number) => {
    const all = new Float64Array(size);
    for (let at = 0, k = 0; at < size; at += pixels, k++) all.fill(of(k % channels), at, at + pixels);
    return all;
  };
  return {
    kind: "affine",
    parts: [
      scaledPart(
        axisRange(size, 1),
        spread((c) => factors[c]),
        size,
        COEFFICIENT,
      ),
    ],
    offset: spread((c) => bias[c] - mean[c] * factors[c]),
    offsetRoundings: OFFSET,
    offsetMagnitude: spread((c) => Math.abs(bias[c]) + Math.abs(mean[c] * factors[c])),
  };
};
