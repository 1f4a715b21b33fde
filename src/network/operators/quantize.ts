import { intAttribute } from "../attributes.ts";
import { bounded, type ConstantRule, unbounded } from "../constants/rule.ts";
import { magnitudes } from "../constants/stored-values.ts";
import { dtypeAttribute } from "../shapes/inputs.ts";
import type { Application, ShapeRule } from "../shapes/rule.ts";
import { broadcastShapes, ofShape } from "../shapes/value.ts";
import { activationRules } from "./activation.ts";
import { arithmeticRules } from "./arithmetic.ts";
import { channelsLastShape, convolutionRules, convolutionShape } from "./convolution.ts";
import { axisRange, sizeOf } from "./index-maps.ts";
import { convInteger, matMulInteger } from "./integer-products.ts";
import { matrixRules, productShape } from "./matrix.ts";
import type { Interval } from "./operation.ts";
import { scaledPart } from "./parts.ts";
import { type QuantizedForm, rounding } from "./quantized-operation.ts";
import {
  coefficientsOf,
  offsets,
  quantized,
  quantizedBox,
  quantizerOf,
  roundHalfEven,
  type Spread,
  scaleOf,
} from "./quantizer.ts";
import type { OperationRule, OperatorRule, OperatorRules } from "./rule.ts";
import { quotient, sum } from "./scalar-interval.ts";

const ROUNDS = "it rounds activations to integers, which jumps";

const quantizeShape: ShapeRule = (op) => [
  ofShape(op.inputs[0]?.shape ?? null, op.inputs[2]?.dtype ?? dtypeAttribute(op, "output_dtype", "uint8")),
];

const dequantizeShape: ShapeRule = (op) => [
  ofShape(op.inputs[0]?.shape ?? null, op.inputs[1]?.dtype ?? dtypeAttribute(op, "output_dtype", "float32")),
];

const likeFirst: ShapeRule = (op) => [ofShape(op.inputs[0]?.shape ?? null, op.inputs[0]?.dtype ?? "unknown")];

const broadcast: ShapeRule = (op) => [
  ofShape(
    broadcastShapes(op.inputs[0]?.shape ?? null, op.inputs[3]?.shape ?? null),
    op.inputs[0]?.dtype ?? "unknown",
  ),
];

/** com.microsoft's variant may have its channels last. */
const convolutionLike: ShapeRule = (op) =>
  intAttribute(op.node, "channels_last") === 1 ? channelsLastShape(3)(op) : convolutionShape(3)(op);

/** How the scales of (De)QuantizeLinear lie: `axis` since operator set 13, `block_size` since 21. */
function spreadOf(node: Application["node"]): Spread {
  return { axis: intAttribute(node, "axis") ?? 1, block: intAttribute(node, "block_size") ?? 0 };
}

const quantizeLinear: OperationRule = ({ node, inputs, signals, outputs }) => {
  const [x, scale, zero] = inputs;
  const [output] = outputs;
  if (x === undefined || output === undefined || signals.some((i) => i !== 0))
    return "its scale or zero point depends on the network's input";
  const quantizer = quantizerOf(output, scale, zero, spreadOf(node));
  if (typeof quantizer === "string") return quantizer;
  const size = sizeOf(x.shape);
  return {
    kind: "general",
    forward: ([v]) => quantized(v, quantizer),
    jvp: () => new Float64Array(size),
    vjp: () => [new Float64Array(size)],
    image: ([box]) => quantizedBox(box, quantizer),
  };
};

const dequantizeLinear: OperationRule = ({ node, inputs, signals }) => {
  if (signals.some((i) => i !== 0)) return "its scale or zero point depends on the network's input";
  const [x, scale, zero] = inputs;
  const shape = x?.shape ?? [];
  const size = sizeOf(shape);
  const coefficients = coefficientsOf(shape, scale, zero, spreadOf(node));
  if (typeof coefficients === "string") return coefficients;
  const scales = Float64Array.from({ length: size }, (_, i) => scaleOf(coefficients, i));
  const offset = offsets(coefficients, size);
  return {
    kind: "affine",
    parts: [scaledPart(axisRange(size, 1), scales, size, 0)],
    ...(offset === undefined ? {} : { offset, offsetRoundings: 1 }),
  };
};

/** Its input may be whole numbers that were computed by rounding: the slope is from there on. */
const dequantizeConstant: ConstantRule = async ({ node, scope }) => {
  const scale = await magnitudes(scope, node.inputs[1] ?? "");
  if (scale === null) return unbounded("its scale could not be read");
  return bounded(scale.max, `multiplied by a scale of at most ${scale.max}`);
};

/** Codes of DynamicQuantizeLinear. */
const BYTE: Interval = [0, 255];

/** Rounds to bytes between the input's least and largest number, 0 among them; and gives that scale and zero point. */
const dynamicQuantizeLinear: OperationRule = ({ inputs, outputs }) => {
  const size = sizeOf(inputs[0]?.shape ?? []);
  if (size === 0) return "its input is empty";
  const gives = [0, 1, 2].map((i) => outputs[i] !== undefined);
  const lengths = gives.map((given, i) => (given ? (i === 0 ? size : 1) : 0));
  const packed = (codes: () => Float64Array, scale: number, zero: number) => {
    const y = new Float64Array(lengths.reduce((a, b) => a + b, 0));
    if (gives[0]) y.set(codes());
    if (gives[1]) y[lengths[0]] = scale;
    if (gives[2]) y[lengths[0] + lengths[1]] = zero;
    return y;
  };
  const extremes = (x: Float64Array) => {
    let [least, most] = [-1, -1];
    x.forEach((v, i) => {
      if (v < (least < 0 ? 0 : x[least])) least = i;
      if (v > (most < 0 ? 0 : x[most])) most = i;
    });
    return { least, most };
  };
  const at = (x: Float64Array, i: number) => (i < 0 ? 0 : x[i]);
  const clamp = (q: number) => Math.min(Math.max(q, BYTE[0]), BYTE[1]);
  return {
    kind: "general",
    forward([x]) {
      const { least, most } = extremes(x);
      const scale = (at(x, most) - at(x, least)) / BYTE[1] || 1;
      const zero = clamp(roundHalfEven(-at(x, least) / scale));
      return packed(() => x.map((v) => clamp(roundHalfEven(v / scale) + zero)), scale, zero);
    },
    jvp([x], _y, [dx]) {
      const { least, most } = extremes(x);
      return packed(() => new Float64Array(size), (at(dx, most) - at(dx, least)) / BYTE[1], 0);
    },
    vjp([x], _y, dy) {
      const out = new Float64Array(size);
      const { least, most } = extremes(x);
      const slope = gives[1] ? dy[lengths[0]] / BYTE[1] : 0;
      if (most >= 0) out[most] += slope;
      if (least >= 0) out[least] -= slope;
      return [out];
    },
    image([{ lo, hi }]) {
      const end = (x: Float64Array, pick: (a: number, b: number) => number) => x.reduce(pick, 0);
      const most: Interval = [end(lo, Math.max), end(hi, Math.max)];
      const least: Interval = [end(lo, Math.min), end(hi, Math.min)];
      const [low, high] = quotient(sum(most, [-least[1], -least[0]]), [BYTE[1], BYTE[1]]);
      // onnxruntime takes 1 for an input of zeros.
      const scale = low > 0 ? [low, high] : [0, Math.max(high, 1)];
      const side = (k: 0 | 1) => packed(() => new Float64Array(size).fill(BYTE[k]), scale[k], BYTE[k]);
      return { lo: side(0), hi: side(1) };
    },
  };
};

/** An operator that rounds its result. */
function rounds(shape: ShapeRule, form?: QuantizedForm): OperatorRule {
  return { shape, constant: ROUNDS, join: ROUNDS, ...(form ? { operation: rounding(form) } : {}) };
}

/** A real operator of two quantised operands. */
function pair(of: OperatorRule, opType: string): QuantizedForm {
  return { of, opType, operands: [{ at: 0 }, { at: 3 }], result: 6 };
}

function single(of: OperatorRule, opType: string): QuantizedForm {
  return { of, opType, operands: [{ at: 0 }], result: 3 };
}

const { Conv, NhwcConv } = convolutionRules;

/** QLinearConv, its kernel with one scale for each output channel. */
const qLinearConv: OperationRule = (binding) => {
  const last = intAttribute(binding.node, "channels_last") === 1;
  const operands = [{ at: 0 }, { at: 3, spread: { axis: 0 } }];
  return rounding({ of: last ? NhwcConv : Conv, opType: "Conv", operands, result: 6, bias: 8 })(binding);
};

/** QLinearMatMul: scales of the second operand for each of its columns. */
const qLinearMatMul: OperationRule = (binding) => {
  const axis = (binding.inputs[3]?.shape.length ?? 1) - 1;
  return rounding({
    ...pair(matrixRules.MatMul, "MatMul"),
    operands: [{ at: 0 }, { at: 3, spread: { axis } }],
  })(binding);
};

/** Products of whole numbers are linear, but come from rounded activations. */
function integers(shape: ShapeRule, operation: OperationRule): OperatorRule {
  return { shape, constant: ROUNDS, join: ROUNDS, operation };
}

/** Conversions to and from quantised types, and operators on them. */
export const quantizeRules: OperatorRules = {
  QuantizeLinear: { shape: quantizeShape, constant: ROUNDS, join: ROUNDS, operation: quantizeLinear },
  DequantizeLinear: {
    shape: dequantizeShape,
    constant: dequantizeConstant,
    join: "a product of two activations has no finite constant over all inputs",
    operation: dequantizeLinear,
  },
  DynamicQuantizeLinear: {
    shape: (op) => [
      ofShape(op.inputs[0]?.shape ?? null, "uint8"),
      ofShape([], "float32"),
      ofShape([], "uint8"),
    ],
    constant: ROUNDS,
    operation: dynamicQuantizeLinear,
  },
  QLinearConv: { ...rounds(convolutionLike), operation: qLinearConv },
  QLinearMatMul: { ...rounds(productShape(0, 3)), operation: qLinearMatMul },
  QLinearAdd: rounds(broadcast, pair(arithmeticRules.Add, "Add")),
  QLinearMul: rounds(broadcast, pair(arithmeticRules.Mul, "Mul")),
  QLinearSigmoid: rounds(likeFirst, single(activationRules.Sigmoid, "Sigmoid")),
  QLinearLeakyRelu: rounds(likeFirst, single(activationRules.LeakyRelu, "LeakyRelu")),
  MatMulInteger: integers(productShape(0, 1, "int32"), matMulInteger),
  ConvInteger: integers(convolutionShape(1, "int32"), convInteger),
  MatMulIntegerToFloat: rounds(productShape(0, 1, "float32")),
  DynamicQuantizeMatMul: rounds(productShape(0, 1, "float32")),
};
