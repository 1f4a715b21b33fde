import { rulesFor, type ShapeRule, type ShapeRules } from "./rule.ts";
import { dtypeAttribute } from "./source.ts";
import { broadcastShapes, ofShape } from "./value.ts";

const quantize: ShapeRule = (op) => [
  ofShape(op.inputs[0]?.shape ?? null, op.inputs[2]?.dtype ?? dtypeAttribute(op, "output_dtype", "uint8")),
];

const dequantize: ShapeRule = (op) => [
  ofShape(op.inputs[0]?.shape ?? null, op.inputs[1]?.dtype ?? dtypeAttribute(op, "output_dtype", "float32")),
];

/** Conversions to and from quantised types, and quantised elementwise operators. */
export const quantizeRules: ShapeRules = {
  QuantizeLinear: quantize,
  DequantizeLinear: dequantize,
  DynamicQuantizeLinear: (op) => [
    ofShape(op.inputs[0]?.shape ?? null, "uint8"),
    ofShape([], "float32"),
    ofShape([], "uint8"),
  ],
  ...rulesFor(["QLinearSigmoid", "QLinearLeakyRelu"], (op) => [
    ofShape(op.inputs[0]?.shape ?? null, op.inputs[0]?.dtype ?? "unknown"),
  ]),
  ...rulesFor(["QLinearAdd", "QLinearMul"], (op) => [
    ofShape(
      broadcastShapes(op.inputs[0]?.shape ?? null, op.inputs[3]?.shape ?? null),
      op.inputs[0]?.dtype ?? "unknown",
    ),
  ]),
};
