/** The typed repeated field of a TensorProto that holds elements of a type. */
export type DataField =
  | "float_data"
  | "double_data"
  | "int32_data"
  | "int64_data"
  | "uint64_data"
  | "string_data";

/** How ONNX stores one element type. */
export interface ElementType {
  /** The dtype's name in reports. */
  readonly name: string;
  /** TensorProto.DataType. */
  readonly code: number;
  /** Bits of one element; 0 for strings. Below 8, elements are packed and rows are not byte-aligned. */
  readonly bits: number;
  readonly field: DataField;
  /** Why a tensor of this type is not audited; absent for floating-point types. */
  readonly unsupported?: string;
}

/** Field numbers of TensorProto's typed data. */
export const DATA_FIELD_NUMBERS: Readonly<Record<DataField, number>> = {
  float_data: 4,
  int32_data: 5,
  string_data: 6,
  int64_data: 7,
  double_data: 10,
  uint64_data: 11,
};

const NOT_FLOAT = "not a floating-point tensor";
const QUANTISED = "quantised: its real values need a scale and zero point kept elsewhere";
const COMPLEX = "complex elements";
const OTHER_FLOAT8 = "an 8-bit floating-point type that is not audited";

function type(code: number, name: string, bits: number, field: DataField, unsupported?: string): ElementType {
  return { code, name, bits, field, ...(unsupported === undefined ? {} : { unsupported }) };
}

/** Every element type of onnx.proto (TensorProto.DataType). */
export const ELEMENT_TYPES: readonly ElementType[] = [
  type(1, "float32", 32, "float_data"),
  type(2, "uint8", 8, "int32_data", QUANTISED),
  type(3, "int8", 8, "int32_data", QUANTISED),
  type(4, "uint16", 16, "int32_data", NOT_FLOAT),
  type(5, "int16", 16, "int32_data", NOT_FLOAT),
  type(6, "int32", 32, "int32_data", NOT_FLOAT),
  type(7, "int64", 64, "int64_data", NOT_FLOAT),
  type(8, "string", 0, "string_data", NOT_FLOAT),
  type(9, "bool", 8, "int32_data", NOT_FLOAT),
  type(10, "float16", 16, "int32_data"),
  type(11, "float64", 64, "double_data"),
  type(12, "uint32", 32, "uint64_data", NOT_FLOAT),
  type(13, "uint64", 64, "uint64_data", NOT_FLOAT),
  type(14, "complex64", 64, "float_data", COMPLEX),
  type(15, "complex128", 128, "double_data", COMPLEX),
  type(16, "bfloat16", 16, "int32_data"),
  type(17, "float8_e4m3fn", 8, "int32_data"),
  type(18, "float8_e4m3fnuz", 8, "int32_data", OTHER_FLOAT8),
  type(19, "float8_e5m2", 8, "int32_data"),
  type(20, "float8_e5m2fnuz", 8, "int32_data", OTHER_FLOAT8),
  type(21, "uint4", 4, "int32_data", QUANTISED),
  type(22, "int4", 4, "int32_data", QUANTISED),
  type(23, "float4_e2m1", 4, "int32_data", QUANTISED),
  type(24, "float8_e8m0", 8, "int32_data", QUANTISED),
  type(25, "uint2", 2, "int32_data", QUANTISED),
  type(26, "int2", 2, "int32_data", QUANTISED),
];

const BY_CODE = new Map(ELEMENT_TYPES.map((t) => [t.code, t]));
const BY_NAME = new Map(ELEMENT_TYPES.map((t) => [t.name, t]));

/** The element type with this TensorProto.DataType number, if there is one. */
export function elementTypeByCode(code: number): ElementType | undefined {
  return BY_CODE.get(code);
}

/** The element type with this dtype name, if there is one. */
export function elementTypeByName(name: string): ElementType | undefined {
  return BY_NAME.get(name);
}
