import {
  floatAttribute,
  floatsAttribute,
  intAttribute,
  intsAttribute,
  tensorAttribute,
} from "../attributes.ts";
import { type Application, rulesFor, type ShapeRule, type ShapeRules } from "./rule.ts";
import {
  asDim,
  type Dim,
  elementCount,
  entriesOf,
  knownContents,
  MAX_CONTENTS,
  normalizeAxis,
  ofShape,
  type Shape,
  UNKNOWN,
  unknownDims,
  type Value,
  withContents,
} from "./value.ts";

/** TensorProto.DataType numbers, as the `to` and `dtype` attributes give them. */
const DTYPES: Readonly<Record<number, string>> = {
  1: "float32",
  2: "uint8",
  3: "int8",
  4: "uint16",
  5: "int16",
  6: "int32",
  7: "int64",
  8: "string",
  9: "bool",
  10: "float16",
  11: "float64",
  12: "uint32",
  13: "uint64",
  14: "complex64",
  15: "complex128",
  16: "bfloat16",
  17: "float8_e4m3fn",
  18: "float8_e4m3fnuz",
  19: "float8_e5m2",
  20: "float8_e5m2fnuz",
  21: "uint4",
  22: "int4",
  23: "float4e2m1",
};

/** The dtype a TensorProto.DataType attribute names. */
export function dtypeAttribute(op: Application, name: string, otherwise: string): string {
  const code = intAttribute(op.node, name);
  return code === undefined ? otherwise : (DTYPES[code] ?? "unknown");
}

/** A shape given as the contents of a 1-D tensor; of the right rank where only its length is known. */
export function shapeFromContents(value: Value | undefined): Shape | null {
  if (value?.shape?.length !== 1) return null;
  return entriesOf(value)?.map(asDim) ?? null;
}

const constant: ShapeRule = (op) => {
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

const shape: ShapeRule = (op) => {
  const dims = op.inputs[0]?.shape ?? null;
  if (dims === null) return [ofShape([null], "int64")];
  const clamp = (i: number) => Math.min(Math.max(i < 0 ? i + dims.length : i, 0), dims.length);
  const start = clamp(intAttribute(op.node, "start") ?? 0);
  const part = dims.slice(start, clamp(intAttribute(op.node, "end") ?? dims.length));
  return [withContents([part.length], "int64", part)];
};

const cast: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const to =
    op.node.opType === "CastLike" ? (op.inputs[1]?.dtype ?? "unknown") : dtypeAttribute(op, "to", "unknown");
  const convert = (c: number) => {
    if (to === "bool") return c === 0 ? 0 : 1;
    if (/^u?int/.test(to)) return Math.trunc(c);
    return to === "float32" ? Math.fround(c) : c;
  };
  return [
    withContents(
      x.shape,
      to,
      x.contents?.map((c) => (c === null ? null : convert(c))),
    ),
  ];
};

const constantOfShape: ShapeRule = (op) => {
  const dims = shapeFromContents(op.inputs[0]);
  const tensor = tensorAttribute(op.node, "value");
  const fill = tensor === undefined ? withContents([1], "float32", [0]) : op.stored(tensor);
  const count = elementCount(dims);
  const value = fill.contents?.[0] ?? null;
  if (count === null || count > MAX_CONTENTS) return [ofShape(dims, fill.dtype)];
  return [withContents(dims, fill.dtype, new Array<number | null>(count).fill(value))];
};

const range: ShapeRule = (op) => {
  const [start, limit, delta] = [0, 1, 2].map((i) => knownContents(op.inputs[i])?.[0]);
  const dtype = op.inputs[0]?.dtype ?? "unknown";
  if (start === undefined || limit === undefined || delta === undefined) return [ofShape([null], dtype)];
  const count = Math.max(Math.ceil((limit - start) / delta), 0);
  if (!(count <= MAX_CONTENTS)) return [ofShape([asDim(count)], dtype)];
  return [
    withContents(
      [count],
      dtype,
      Array.from({ length: count }, (_, i) => start + i * delta),
    ),
  ];
};

const oneHot: ShapeRule = (op) => {
  const indices = op.inputs[0]?.shape ?? null;
  if (indices === null) return [];
  const axis = normalizeAxis(intAttribute(op.node, "axis") ?? -1, indices.length + 1);
  if (axis === null) return [];
  const depth: Dim = asDim(knownContents(op.inputs[1])?.[0]);
  return [
    ofShape([...indices.slice(0, axis), depth, ...indices.slice(axis)], op.inputs[2]?.dtype ?? "unknown"),
  ];
};

const random: ShapeRule = (op) => [
  ofShape(intsAttribute(op.node, "shape")?.map(asDim) ?? null, dtypeAttribute(op, "dtype", "float32")),
];

const randomLike: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  return [ofShape(x.shape, dtypeAttribute(op, "dtype", x.dtype))];
};

/** Operators that make values: constants, shapes of others, sequences, random numbers; and casts. */
export const sourceRules: ShapeRules = {
  Constant: constant,
  Shape: shape,
  Size: (op) => [withContents([], "int64", [elementCount(op.inputs[0]?.shape ?? null)])],
  ...rulesFor(["Identity", "Optional", "OptionalGetElement"], (op) => [op.inputs[0] ?? UNKNOWN]),
  ...rulesFor(["Cast", "CastLike"], cast),
  ConstantOfShape: constantOfShape,
  Range: range,
  OneHot: oneHot,
  ...rulesFor(["RandomNormal", "RandomUniform"], random),
  ...rulesFor(["RandomNormalLike", "RandomUniformLike", "EyeLike"], randomLike),
  Multinomial: (op) => [
    ofShape(
      [op.inputs[0]?.shape?.[0] ?? null, intAttribute(op.node, "sample_size") ?? 1],
      dtypeAttribute(op, "dtype", "int32"),
    ),
  ],
  NonZero: (op) => [ofShape([op.inputs[0]?.shape?.length ?? null, null], "int64")],
  NonMaxSuppression: () => [ofShape([null, 3], "int64")],
  ...rulesFor(["HannWindow", "HammingWindow", "BlackmanWindow"], (op) => [
    ofShape([asDim(knownContents(op.inputs[0])?.[0])], dtypeAttribute(op, "output_datatype", "float32")),
  ]),
  Unique: (op) => {
    const x = op.inputs[0] ?? UNKNOWN;
    const axis = intAttribute(op.node, "axis");
    const at = axis === undefined || x.shape === null ? null : normalizeAxis(axis, x.shape.length);
    const kept =
      axis === undefined ? [null] : at === null ? null : x.shape!.map((d, i) => (i === at ? null : d));
    return [ofShape(kept, x.dtype), ...[1, 2, 3].map(() => ofShape(unknownDims(1), "int64"))];
  },
};
