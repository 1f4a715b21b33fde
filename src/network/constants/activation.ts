import { mulUp, sqrtUp } from "../../linalg/rounding.ts";
import { floatAttribute, intAttribute, stringAttribute } from "../attributes.ts";
import { elementCount, normalizeAxis } from "../shapes/value.ts";
import {
  bounded,
  type ChainNode,
  type ConstantRule,
  type ConstantRules,
  forEach,
  unbounded,
} from "./rule.ts";
import { magnitudes } from "./stored-values.ts";

/** Largest slopes of smooth activations, every decimal rounded up. */
const GELU_ERF = 1.128905;
const GELU_TANH = 1.128994;
const SILU = 1.09984;
const MISH = 1.088499;
const ERF = 1.128379168;

const slope =
  (largest: number): ConstantRule =>
  () =>
    bounded(largest, `its slope is at most ${largest}`);

const contraction: ConstantRule = () => bounded(1, "its slope is at most 1");

/** Operators with the slope |alpha| on one side and 1 on the other. */
const alphaOrOne =
  (otherwise: number): ConstantRule =>
  ({ node }) => {
    const alpha = Math.abs(floatAttribute(node, "alpha") ?? otherwise);
    return bounded(Math.max(1, alpha), `its slope is at most max(1, |alpha|), alpha ${alpha}`);
  };

const selu: ConstantRule = ({ node }) => {
  const alpha = Math.abs(floatAttribute(node, "alpha") ?? 1.6732631921768188);
  const gamma = Math.abs(floatAttribute(node, "gamma") ?? 1.0507010221481323);
  return bounded(mulUp(gamma, Math.max(1, alpha)), "its slope is at most gamma·max(1, alpha)");
};

const celu: ConstantRule = ({ node }) =>
  (floatAttribute(node, "alpha") ?? 1) > 0
    ? bounded(1, "its slope is at most 1")
    : unbounded("Celu with alpha ≤ 0 is not continuous");

const thresholded: ConstantRule = ({ node }) =>
  (floatAttribute(node, "alpha") ?? 1) === 0
    ? bounded(1, "a ReLU")
    : unbounded("it jumps at its threshold, so no Lipschitz constant is finite");

const shrink: ConstantRule = ({ node }) =>
  (floatAttribute(node, "bias") ?? 0) === (floatAttribute(node, "lambd") ?? 0.5)
    ? bounded(1, "soft thresholding")
    : unbounded("it jumps at ±lambd unless bias equals lambd");

/** The default 0.2 is stored as a float32, which lies above it. */
const hardSigmoid: ConstantRule = ({ node }) => {
  const alpha = Math.abs(floatAttribute(node, "alpha") ?? Math.fround(0.2));
  return bounded(alpha, `its slope is at most |alpha| = ${alpha}`);
};

const gelu: ConstantRule = (chain) =>
  (stringAttribute(chain.node, "approximate") ?? "none") === "tanh"
    ? slope(GELU_TANH)(chain)
    : slope(GELU_ERF)(chain);

const pRelu: ConstantRule = async ({ node, scope }) => {
  const slopes = await magnitudes(scope, node.inputs[1] ?? "");
  if (slopes === null) return unbounded("its slopes could not be read");
  return bounded(Math.max(1, slopes.max), `its slope is at most max(1, ${slopes.max})`);
};

/** Size of what a softmax normalises over; before operator set 13 every axis from `axis` on. */
function softmaxSize({ node, input, opset }: ChainNode): number | null {
  const rank = input.shape?.length ?? 0;
  const axis = normalizeAxis(intAttribute(node, "axis") ?? (opset < 13 ? 1 : -1), rank);
  if (input.shape === null || axis === null) return null;
  return elementCount(opset < 13 ? input.shape.slice(axis) : [input.shape[axis]]);
}

const logSoftmax: ConstantRule = (chain) => {
  const size = softmaxSize(chain);
  return size === null
    ? unbounded("its constant is √d for d classes, and d is unknown")
    : bounded(sqrtUp(size), `√d for d = ${size} classes`);
};

/** Activation functions, elementwise and softmax. */
export const activationConstants: ConstantRules = {
  ...forEach("Relu Clip Tanh Softsign Softplus Abs Neg Sin Cos Atan Asinh", contraction),
  ...forEach("LeakyRelu", alphaOrOne(0.01)),
  ...forEach("Elu", alphaOrOne(1)),
  Sigmoid: slope(0.25),
  HardSigmoid: hardSigmoid,
  HardSwish: slope(1.5),
  Mish: slope(MISH),
  Selu: selu,
  Celu: celu,
  Erf: slope(ERF),
  Gelu: gelu,
  BiasGelu: slope(GELU_ERF),
  FastGelu: slope(GELU_TANH),
  // x·sigmoid(αx) = silu(αx)/α has the same largest slope for every α.
  ...forEach("QuickGelu Swish", slope(SILU)),
  PRelu: pRelu,
  ThresholdedRelu: thresholded,
  Shrink: shrink,
  Softmax: () => bounded(0.5, "softmax is ½-Lipschitz"),
  LogSoftmax: logSoftmax,
};
