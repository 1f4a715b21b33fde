import { intAttribute, intsAttribute } from "../attributes.ts";
import type { Application } from "./rule.ts";
import { asDim, entriesOf, knownContents, type Shape, type Value } from "./value.ts";

/** What reading a node's attributes and constant inputs takes: shape rules and operations both have it. */
export type Seen = Pick<Application, "node" | "opset" | "inputs">;

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
export function dtypeAttribute(op: Pick<Seen, "node">, name: string, otherwise: string): string {
  const code = intAttribute(op.node, name);
  return code === undefined ? otherwise : (DTYPES[code] ?? "unknown");
}

/** A shape given as the contents of a 1-D tensor; of the right rank where only its length is known. */
export function shapeFromContents(value: Value | undefined): Shape | null {
  if (value?.shape?.length !== 1) return null;
  return entriesOf(value)?.map(asDim) ?? null;
}

/** An integer list that older operator sets keep in an attribute and newer ones take as an input. */
export function axesOf(op: Seen, input: number, attribute: string): readonly number[] | undefined {
  return intsAttribute(op.node, attribute) ?? knownContents(op.inputs[input]);
}

/** The integer a scalar input or older attribute holds. */
export function scalarOf(op: Seen, input: number, attribute: string): number | undefined {
  return intAttribute(op.node, attribute) ?? knownContents(op.inputs[input])?.[0];
}
