import type { OnnxNode } from "../../formats/onnx/types.ts";
import { floatAttribute, intAttribute, stringAttribute } from "../attributes.ts";
import { bounded, type ConstantRule, JUMPS, ON_A_BALL, unbounded } from "../constants/rule.ts";
import { magnitudes } from "../constants/stored-values.ts";
import * as pieces from "./activation-pieces.ts";
import { multiple } from "./arithmetic-affine.ts";
import { clipOperation } from "./arithmetic-extremes.ts";
import { integerRule } from "./arithmetic-integer.ts";
import { broadcastContraction, broadcastJoin, joins } from "./broadcast-constant.ts";
import { binaryRule, ofSum } from "./broadcast-function.ts";
import { boolLikeFirst, foldUnary, likeFirst } from "./broadcast-shape.ts";
import type { ScalarFunction } from "./operation.ts";
import type { OperationRule, OperatorRule, OperatorRules } from "./rule.ts";
import { line } from "./scalar.ts";
import { parametricRelu } from "./scalar-binary.ts";
import * as smooth from "./smooth.ts";
import * as elementary from "./smooth-elementary.ts";

const STEEP = `its slope grows without limit; ${ON_A_BALL}`;
const NEAR_ZERO = `its slope is infinite near 0; ${ON_A_BALL}`;
const AT_THE_ENDS = `its slope is infinite at an end of its domain; ${ON_A_BALL}`;
const POLES = "it has poles, so no Lipschitz constant is finite";

/** The function of a node's attributes, or why there is none. */
type Parametric = (node: OnnxNode) => ScalarFunction | string;

/** The largest slope of a function, rounded up. */
function steepness(f: ScalarFunction): number {
  const [least, most] = f.slopes(-Infinity, Infinity);
  return Math.max(Math.abs(least), Math.abs(most));
}

/**
 * y = f(x), entry by entry. Its Lipschitz constant is the function's largest slope.
 * @param why there is no finite constant, where its attributes make it so.
 */
export function unary(f: ScalarFunction | Parametric, why = JUMPS, shape = likeFirst): OperatorRule {
  const functionOf = typeof f === "function" ? f : () => f;
  return {
    shape,
    constant: ({ node }) => {
      const found = functionOf(node);
      if (typeof found === "string") return unbounded(found);
      const largest = steepness(found);
      return largest < Infinity ? bounded(largest, `its slope is at most ${largest}`) : unbounded(why);
    },
    operation: ({ node }) => {
      const found = functionOf(node);
      return typeof found === "string" ? found : { kind: "elementwise", unit: () => found };
    },
  };
}

/** The same where shape arithmetic uses it: small contents are computed. */
function folded(f: ScalarFunction, why = JUMPS): OperatorRule {
  return unary(f, why, foldUnary(f.value));
}

/** Defaults are float32 numbers, as stored ones are. */
function parameter(node: OnnxNode, name: string, otherwise: number): number {
  return floatAttribute(node, name) ?? Math.fround(otherwise);
}

const celu: Parametric = (node) => {
  const alpha = parameter(node, "alpha", 1);
  return alpha > 0 ? pieces.celu(alpha) : "Celu with alpha ≤ 0 has no finite slope";
};

const shrink: Parametric = (node) => {
  const limit = parameter(node, "lambd", 0.5);
  return limit >= 0
    ? pieces.shrink(limit, parameter(node, "bias", 0))
    : "Shrink with lambd < 0 is not covered";
};

const selu: Parametric = (node) =>
  pieces.selu(parameter(node, "alpha", 1.6732631921768188), parameter(node, "gamma", 1.0507010221481323));

const hardSigmoid: Parametric = (node) =>
  pieces.hardSigmoid(parameter(node, "alpha", 0.2), parameter(node, "beta", 0.5));

const gelu: Parametric = (node) =>
  stringAttribute(node, "approximate") === "tanh" ? smooth.geluTanh : smooth.gelu;

/** x·sigmoid(alpha·x). */
const swish =
  (otherwise: number): Parametric =>
  (node) => {
    const alpha = parameter(node, "alpha", otherwise);
    return alpha === 0 ? line(0.5) : smooth.swish(alpha);
  };

const isInf: Parametric = (node) =>
  pieces.infinite(intAttribute(node, "detect_negative") !== 0, intAttribute(node, "detect_positive") !== 0);

/** GELU after a bias, which may be omitted where the operator allows it. */
function biased(f: ScalarFunction): OperatorRule {
  const because = `its slope is at most ${steepness(f)}`;
  const added = binaryRule(ofSum(f));
  return {
    shape: likeFirst,
    constant: () => bounded(steepness(f), because),
    join: (join) => broadcastJoin(join, "sum", steepness(f), because),
    operation: (binding) =>
      binding.inputs[1] === undefined
        ? { kind: "elementwise", unit: () => f }
        : added({ ...binding, inputs: binding.inputs.slice(0, 2) }),
  };
}

const pReluConstant: ConstantRule = async ({ node, scope }) => {
  const slopes = await magnitudes(scope, node.inputs[1] ?? "");
  if (slopes === null) return unbounded("its slopes are not stored in the file as they are");
  return bounded(Math.max(1, slopes.max), `its slope is at most max(1, ${slopes.max})`);
};

/** −x, as a matrix: it joins what stands before and after it. */
const negate: OperationRule = ({ inputs, signals }) => {
  const size = inputs[signals[0]]?.shape.reduce((a, b) => a * b, 1) ?? 0;
  return { kind: "affine", parts: [multiple(-1, size)] };
};

/** Functions of one number, entry by entry. */
export const activationRules: OperatorRules = {
  // Made of straight pieces.
  Relu: folded(pieces.relu),
  LeakyRelu: unary((node) => pieces.leaky(parameter(node, "alpha", 0.01))),
  PRelu: {
    shape: likeFirst,
    constant: pReluConstant,
    join: `slopes that depend on the input have no finite constant; ${ON_A_BALL}`,
    operation: binaryRule(parametricRelu),
  },
  ThresholdedRelu: unary(
    (node) => pieces.thresholded(parameter(node, "alpha", 1)),
    "it jumps at its threshold, so no Lipschitz constant is finite",
  ),
  Shrink: unary(shrink, "it jumps at ±lambd unless bias equals lambd"),
  Clip: {
    shape: likeFirst,
    constant: broadcastContraction("its slope is at most 1"),
    anyInput: true,
    join: joins("euclidean", "each entry is one of its operands"),
    operation: clipOperation,
  },
  HardSigmoid: unary(hardSigmoid),
  HardSwish: unary(pieces.hardSwish),
  Abs: folded(pieces.abs),
  Neg: {
    shape: foldUnary((x) => 0 - x),
    constant: () => bounded(1, "its slope is at most 1"),
    operation: negate,
  },

  // With a smooth piece below 0.
  Elu: unary((node) => pieces.elu(parameter(node, "alpha", 1))),
  Selu: unary(selu),
  Celu: unary(celu),

  // Smooth.
  Sigmoid: unary(smooth.sigmoid),
  Tanh: unary(smooth.tanh),
  Softplus: unary(smooth.softplus),
  Softsign: unary(smooth.softsign),
  Mish: unary(smooth.mish),
  Gelu: unary(gelu),
  BiasGelu: biased(smooth.gelu),
  FastGelu: biased(smooth.geluTanh),
  QuickGelu: unary(swish(1.702)),
  Swish: unary(swish(1)),
  Erf: unary(smooth.erfFunction),
  Sin: unary(elementary.sin),
  Cos: unary(elementary.cos),
  Atan: unary(elementary.atan),
  Asinh: unary(elementary.asinh),

  // Smooth, but steep somewhere.
  Exp: unary(elementary.exp, STEEP),
  Sinh: unary(elementary.sinh, STEEP),
  Cosh: unary(elementary.cosh, STEEP),
  Tan: unary(elementary.tan, POLES),
  Log: unary(elementary.log, NEAR_ZERO),
  Sqrt: { ...unary(elementary.sqrt, NEAR_ZERO), shape: foldUnary(Math.sqrt) },
  Reciprocal: unary(elementary.reciprocal, NEAR_ZERO),
  Asin: unary(elementary.asin, AT_THE_ENDS),
  Acos: unary(elementary.acos, AT_THE_ENDS),
  Acosh: unary(elementary.acosh, AT_THE_ENDS),
  Atanh: unary(elementary.atanh, AT_THE_ENDS),

  // Constant but for jumps.
  Sign: folded(pieces.sign),
  Floor: folded(pieces.floor),
  Ceil: folded(pieces.ceil),
  Round: folded(pieces.round),
  Not: { ...folded(pieces.not), constant: JUMPS },
  IsNaN: { ...unary(pieces.notANumber, JUMPS, boolLikeFirst), constant: JUMPS },
  IsInf: { ...unary(isInf, JUMPS, boolLikeFirst), constant: JUMPS },
  BitwiseNot: { shape: likeFirst, constant: JUMPS, operation: integerRule("BitwiseNot") },
};
