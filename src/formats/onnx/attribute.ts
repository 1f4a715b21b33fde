import { type Budget, MAX_TEXT_BYTES } from "./limits.ts";
import { forEachFloat, forEachVarint } from "./packed.ts";
import type { OnnxAttribute } from "./types.ts";
import { type Field, type Message, signed64, type WireReader } from "./wire.ts";

/** An AttributeProto with its tensors and graphs only located. */
export interface AttributeProto {
  name: string;
  /** AttributeProto.AttributeType; 0 when the (old) file leaves it out. */
  type: number;
  float: number;
  int: number;
  /** null when too long to be of interest. */
  string: string | null;
  readonly floats: number[];
  readonly ints: number[];
  readonly strings: string[];
  readonly tensors: Field[];
  readonly graphs: Field[];
  readonly sparse: Field[];
}

/** AttributeProto.AttributeType of each value field, for files that give no type. */
const TYPE_OF_FIELD: ReadonlyMap<number, number> = new Map([
  [2, 1], // f
  [3, 2], // i
  [4, 3], // s
  [5, 4], // t
  [6, 5], // g
  [7, 6], // floats
  [8, 7], // ints
  [9, 8], // strings
  [10, 9], // tensors
  [11, 10], // graphs
  [22, 11], // sparse_tensor
  [23, 12], // sparse_tensors
]);

/** Reads one attribute. */
export async function readAttributeProto(
  wire: WireReader,
  budget: Budget,
  message: Message,
): Promise<AttributeProto> {
  const proto: AttributeProto = {
    name: "",
    type: 0,
    float: 0,
    int: 0,
    string: "",
    floats: [],
    ints: [],
    strings: [],
    tensors: [],
    graphs: [],
    sparse: [],
  };
  let typeByField = 0;
  await wire.visit(message, (field) => {
    typeByField = TYPE_OF_FIELD.get(field.number) ?? typeByField;
    return readField(wire, budget, proto, field);
  });
  if (proto.type === 0) proto.type = typeByField;
  return proto;
}

function readField(
  wire: WireReader,
  budget: Budget,
  proto: AttributeProto,
  field: Field,
): undefined | Promise<void> {
  const item = () => budget.spend("items", 1, field.at);
  switch (field.number) {
    case 1:
      proto.name = text(wire, budget, field);
      return;
    case 2:
      proto.float = wire.float(field);
      return;
    case 3:
      proto.int = wire.integer(field);
      return;
    case 4: // Compiled engines live in such strings; nothing we need is long.
      proto.string = field.end - field.start > MAX_TEXT_BYTES ? null : text(wire, budget, field);
      return;
    case 5:
    case 10:
    case 6:
    case 11:
    case 22:
    case 23:
      item();
      wire.message(field);
      messages(proto, field.number).push(field);
      return;
    case 7:
      return forEachFloat(wire, field, (value) => {
        item();
        proto.floats.push(value);
      });
    case 8:
      return forEachVarint(wire, field, (low, high) => {
        item();
        proto.ints.push(signed64(low, high));
      });
    case 9:
      item();
      proto.strings.push(text(wire, budget, field));
      return;
    case 20:
      proto.type = wire.integer(field);
      return;
  }
}

function messages(proto: AttributeProto, field: number): Field[] {
  if (field === 5 || field === 10) return proto.tensors;
  return field === 6 || field === 11 ? proto.graphs : proto.sparse;
}

/** A length-delimited field as text, counted. */
export function text(wire: WireReader, budget: Budget, field: Field): string {
  budget.spend("bytes of names", field.end - field.start, field.at);
  return wire.text(field);
}

/** The attribute's value where it needs no tensor and no graph; "other" for those. */
export function plainAttribute(proto: AttributeProto): OnnxAttribute {
  switch (proto.type) {
    case 1:
      return { kind: "float", value: proto.float };
    case 2:
      return { kind: "int", value: proto.int };
    case 3:
      return proto.string === null ? { kind: "other" } : { kind: "string", value: proto.string };
    case 6:
      return { kind: "floats", value: proto.floats };
    case 7:
      return { kind: "ints", value: proto.ints };
    case 8:
      return { kind: "strings", value: proto.strings };
    default:
      return { kind: "other" };
  }
}
