import {
  floatAttribute,
  floatsAttribute,
  intAttribute,
  intsAttribute,
  tensorAttribute,
} from "../attributes.ts";
import { bounded, type ConstantRule } from "../constants/rule.ts";
import { dtypeAttribute, shapeFromContents } from "../shapes/inputs.ts";
import type { ShapeRule } from "../shapes/rule.ts";
import {
  asDim,
  elementCount,
  knownContents,
  MAX_CONTENTS,
  ofShape,
  UNKNOWN,
  withContents,
} from "../shapes/value.ts";
import { sizeOf } from "./index-maps.ts";
import { stepOperation } from "./index-steps.ts";
import type { AffineOperation } from "./operation.ts";
import { movedPart } from "./parts.ts";
import type { Binding, OperationRule, OperatorRule, OperatorRules } from "./rule.ts";

const constantShape: ShapeRule = (op) => {
  const tensor = tensorAttribute(op.node, "value");
  if (tensor !== undefined) return [op.stored(tensor)];
  const int = intAttribute(op.node, "value_int");
  if (int !== undefined) return [withContents([], "int64", [int])];
  const ints = intsAttribute(op.node, "value_ints");
  if (ints !== undefined) return [withContents([ints.length], "int64", ints)];
  const float = floatAttribute(op.node, "value_float");
  if (float !== undefined) return [withContents([], "float32", [float])];
  const floats = floatsAttribute(op.node, "value_floats");
  return [floats === undefined ? UNKNOWN : withContents([floats.length], "float32", floats)];
};

const shapeShape: ShapeRule = (op) => {
  const dims = op.inputs[0]?.shape ?? null;
  if (dims === null) return [ofShape([null], "int64")];
  const clamp = (i: number) => Math.min(Math.max(i < 0 ? i + dims.length : i, 0), dims.length);
  const start = clamp(intAttribute(op.node, "start") ?? 0);
  const part = dims.slice(start, clamp(intAttribute(op.node, "end") ?? dims.length));
  return [withContents([part.length], "int64", part)];
};

const constantOfShapeShape: ShapeRule = (op) => {
  const dims = shapeFromContents(op.inputs[0]);
  const tensor = tensorAttribute(op.node, "value");
  const fill = tensor === undefined ? withContents([1], "float32", [0]) : op.stored(tensor);
  const count = elementCount(dims);
  const value = fill.contents?.[0] ?? null;
  if (count === null || count > MAX_CONTENTS) return [ofShape(dims, fill.dtype)];
  return [withContents(dims, fill.dtype, new Array<number | null>(count).fill(value))];
};

const rangeShape: ShapeRule = (op) => {
  const [start, limit, delta] = [0, 1, 2].map((i) => knownContents(op.inputs[i])?.[0]);
  const dtype = op.inputs[0]?.dtype ?? "unknown";
  if (start === undefined || limit === undefined || delta === undefined) return [ofShape([null], dtype)];
  const count = Math.max(Math.ceil((limit - start) / delta), 0);
  if (!(count <= MAX_CONTENTS)) return [ofShape([asDim(count)], dtype)];
  const steps = Array.from({ length: count }, (_, i) => start + i * delta);
  return [withContents([count], dtype, steps)];
};

const random: ShapeRule = (op) => [
  ofShape(intsAttribute(op.node, "shape")?.map(asDim) ?? null, dtypeAttribute(op, "dtype", "float32")),
];

const like: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  return [ofShape(x.shape, dtypeAttribute(op, "dtype", x.dtype))];
};

const multinomialShape: ShapeRule = (op) => {
  const samples = intAttribute(op.node, "sample_size") ?? 1;
  return [ofShape([op.inputs[0]?.shape?.[0] ?? null, samples], dtypeAttribute(op, "dtype", "int32"))];
};

const windowShape: ShapeRule = (op) => [
  ofShape([asDim(knownContents(op.inputs[0])?.[0])], dtypeAttribute(op, "output_datatype", "float32")),
];

const shapeOnly: ConstantRule = () => bounded(0, "it depends on the sizes of its input alone");

/** The same numbers whatever the signals are. */
function constantly(binding: Binding, numbers: Float64Array): AffineOperation {
  const parts = binding.signals.map((i) =>
    movedPart(new Int32Array(numbers.length).fill(-1), sizeOf(binding.inputs[i]?.shape ?? [])),
  );
  return { kind: "affine", parts, offset: numbers };
}

const outputSize = ({ outputs }: Binding) => sizeOf(outputs[0]?.shape ?? []);

/** Constant nodes with a list too long for shape arithmetic. */
const constant: OperationRule = (binding) => {
  const floats = floatsAttribute(binding.node, "value_floats") ?? intsAttribute(binding.node, "value_ints");
  return floats === undefined ? "it holds no numbers" : stepOperation(() => Float64Array.from(floats));
};

/** The value to fill with is an attribute, which comes as the last input when constants are folded. */
const constantOfShape: OperationRule = (binding) => {
  const stored = tensorAttribute(binding.node, "value") !== undefined;
  const fill = stored ? binding.inputs[1]?.data?.[0] : 0;
  if (fill === undefined) return "the value it fills with is not known";
  return constantly(binding, new Float64Array(outputSize(binding)).fill(fill));
};

/** Ranges too long for shape arithmetic; how many there are is known from there. */
const range: OperationRule = (binding) => {
  const [, , step] = binding.inputs;
  const delta = step?.data?.[0];
  if (binding.signals.length !== 1 || binding.signals[0] !== 0 || delta === undefined) {
    return "its limits depend on the network's input";
  }
  const sources = new Int32Array(outputSize(binding));
  return {
    kind: "affine",
    parts: [movedPart(sources, 1)],
    offset: Float64Array.from(sources, (_, i) => i * delta),
    offsetRoundings: 1,
  };
};

const eyeLike: OperationRule = (binding) => {
  const [rows, cols] = binding.outputs[0]?.shape ?? [];
  if (rows === undefined || cols === undefined) return "it needs a matrix";
  const k = intAttribute(binding.node, "k") ?? 0;
  const eye = new Float64Array(rows * cols);
  for (let i = 0; i < rows; i++) if (i + k >= 0 && i + k < cols) eye[i * cols + i + k] = 1;
  return constantly(binding, eye);
};

const DRAWS = "it draws random numbers on every run";
const drawing = (shape: ShapeRule): OperatorRule => ({ shape, constant: DRAWS, operation: () => DRAWS });

/** Operators that make values: constants, shapes of others, sequences, random numbers. */
export const sourceRules: OperatorRules = {
  Constant: { shape: constantShape, operation: constant },
  Shape: { shape: shapeShape, constant: shapeOnly },
  Size: {
    shape: (op) => [withContents([], "int64", [elementCount(op.inputs[0]?.shape ?? null)])],
    constant: shapeOnly,
  },
  Optional: { shape: (op) => [op.inputs[0] ?? UNKNOWN] },
  OptionalGetElement: { shape: (op) => [op.inputs[0] ?? UNKNOWN] },
  ConstantOfShape: { shape: constantOfShapeShape, operation: constantOfShape },
  Range: { shape: rangeShape, operation: range },
  EyeLike: { shape: like, constant: shapeOnly, operation: eyeLike },
  RandomNormal: drawing(random),
  RandomUniform: drawing(random),
  RandomNormalLike: drawing(like),
  RandomUniformLike: drawing(like),
  Multinomial: drawing(multinomialShape),
  Bernoulli: drawing(like),
  HannWindow: { shape: windowShape },
  HammingWindow: { shape: windowShape },
  BlackmanWindow: { shape: windowShape },
};
