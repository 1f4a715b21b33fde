import { divUp, down, mulUp, sqrtDown } from "../../linalg/rounding.ts";
import { floatAttribute, intAttribute } from "../attributes.ts";
import { broadcastShapes, isKnown, knownContents, type Shape } from "../shapes/value.ts";
import {
  bounded,
  type ChainNode,
  type Constant,
  type ConstantRule,
  type ConstantRules,
  forEach,
  rootUp,
  unbounded,
} from "./rule.ts";
import { magnitudes, values } from "./stored-values.ts";

/**
 * How many copies of one input entry broadcasting against a constant makes: the product of the constant's sizes
 * along axes where the input has, or may have, size 1. null when the constant's shape is unknown.
 */
export function broadcastCopies(input: Shape | null, constant: Shape | null): number | null {
  if (!isKnown(constant)) return null;
  return constant.reduce((copies, size, i) => {
    const own = input?.[i - constant.length + input.length] ?? null;
    const missing = input !== null && i - constant.length + input.length < 0;
    return size > 1 && (missing || own === null || own === 1) ? copies * size : copies;
  }, 1);
}

/** Copies made by all constant inputs of an elementwise operator together. */
function copiesOf({ node, scope, input, at }: ChainNode): number | null {
  const shapes = node.inputs
    .filter((name, i) => i !== at && name !== "")
    .map((name) => scope.value(name).shape);
  return broadcastCopies(
    input.shape,
    shapes.reduce((a, b) => broadcastShapes(a, b), [] as Shape | null),
  );
}

/** An operator of slope `scale` that broadcasts its input against constants. */
function broadcast(chain: ChainNode, scale: number, because: string): Constant {
  const copies = copiesOf(chain);
  if (copies === null) return unbounded("the shape of its constant is unknown");
  if (copies === 1) return bounded(scale, because);
  return bounded(mulUp(scale, rootUp(copies)), `${because}, and up to ${copies} copies of each input`);
}

const shift: ConstantRule = (chain) => broadcast(chain, 1, "a constant is added");

const multiply: ConstantRule = async (chain) => {
  const { node, scope, at } = chain;
  const factor = await magnitudes(scope, node.inputs[1 - at] ?? "");
  if (factor === null) return unbounded("the constant it multiplies by could not be read or is not finite");
  return broadcast(chain, factor.max, `multiplied by a constant of at most ${factor.max}`);
};

const divide: ConstantRule = async (chain) => {
  if (chain.at === 1) return unbounded("division by the input has no finite slope near 0");
  const divisor = await magnitudes(chain.scope, chain.node.inputs[1] ?? "");
  if (divisor === null) return unbounded("the constant it divides by could not be read or is not finite");
  if (divisor.min === 0) return unbounded("it divides by 0");
  return broadcast(chain, divUp(1, divisor.min), `divided by a constant of at least ${divisor.min}`);
};

const power: ConstantRule = (chain) => {
  const exponent = chain.at === 0 ? knownContents(chain.scope.value(chain.node.inputs[1] ?? "")) : undefined;
  return exponent?.length === 1 && exponent[0] === 1
    ? bounded(1, "the first power")
    : unbounded("a power has no finite slope over all inputs");
};

/** ONNX's default 1e-5 as the float32 it is, which lies below it. */
const DEFAULT_EPSILON = Math.fround(1e-5);

const batchNormalization: ConstantRule = async ({ node, scope, opset }) => {
  const training =
    opset >= 14 ? intAttribute(node, "training_mode") === 1 : node.outputs.slice(1).some(Boolean);
  if (training) return unbounded("in training mode it normalises by the batch itself");
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

/** Normalisations by statistics of the input itself: finite only through epsilon. */
const normalization: ConstantRule = async ({ node, scope }) => {
  const epsilon = floatAttribute(node, "epsilon") ?? DEFAULT_EPSILON;
  const name = node.inputs[1] ?? "";
  const gamma = name === "" ? { max: 1 } : await magnitudes(scope, name);
  if (gamma === null) return unbounded("its scale could not be read");
  if (!(epsilon > 0)) return unbounded("with epsilon 0 its slope is infinite near a constant input");
  const constant = divUp(gamma.max, sqrtDown(epsilon));
  return bounded(constant, `max |scale| / √epsilon, reached only near a constant input (epsilon ${epsilon})`);
};

/** Adding, multiplying and normalising by constants. */
export const affineConstants: ConstantRules = {
  ...forEach("Add Sub Sum", shift),
  ...forEach("Min Max", (chain) => broadcast(chain, 1, "its slope is at most 1")),
  Where: (chain) =>
    chain.at === 0
      ? unbounded("its condition depends on the input, so it may jump")
      : broadcast(chain, 1, "a constant choice of entries"),
  Mul: multiply,
  Div: divide,
  Pow: power,
  BatchNormalization: batchNormalization,
  ...forEach(
    "LayerNormalization InstanceNormalization GroupNormalization RMSNormalization SimplifiedLayerNormalization",
    normalization,
  ),
};
