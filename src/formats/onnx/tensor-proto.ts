import { MAX_RANK } from "./limits.ts";
import { forEachVarint } from "./packed.ts";
import { DataPieces, type Span } from "./typed-data.ts";
import { type Field, type Message, signed64, type WireReader } from "./wire.ts";

/** A TensorProto as it stands in the file, before anything is checked against anything. */
export interface TensorProto {
  readonly message: Message;
  name: string;
  /** TensorProto.DataType. */
  dataType: number;
  readonly dims: number[];
  raw: Span | null;
  /** Typed data by field number. */
  readonly typed: Map<number, DataPieces>;
  external: boolean;
  readonly externalKeys: Map<string, string>;
}

const DIMS = 1;
const DATA_TYPE = 2;
const NAME = 8;
const RAW_DATA = 9;
const EXTERNAL_DATA = 13;
const DATA_LOCATION = 14;
const TYPED_FIELDS: ReadonlySet<number> = new Set([4, 5, 6, 7, 10, 11]);
/** TensorProto.DataLocation.EXTERNAL */
const EXTERNAL = 1;

/** Reads a tensor's header; its data is only located. */
export async function readTensorProto(wire: WireReader, message: Message): Promise<TensorProto> {
  const proto: TensorProto = {
    message,
    name: "",
    dataType: 0,
    dims: [],
    raw: null,
    typed: new Map(),
    external: false,
    externalKeys: new Map(),
  };
  await wire.visit(message, (field) => {
    if (TYPED_FIELDS.has(field.number)) addTyped(wire, proto, field);
    else return readHeaderField(wire, proto, field);
  });
  return proto;
}

function addTyped(wire: WireReader, proto: TensorProto, field: Field): void {
  const pieces = proto.typed.get(field.number) ?? new DataPieces();
  proto.typed.set(field.number, pieces);
  pieces.add(wire, field);
}

function readHeaderField(wire: WireReader, proto: TensorProto, field: Field): undefined | Promise<void> {
  switch (field.number) {
    case DIMS:
      return readDims(wire, proto.dims, field);
    case DATA_TYPE:
      proto.dataType = wire.integer(field);
      return;
    case NAME:
      proto.name = wire.text(field);
      return;
    case RAW_DATA:
      wire.message(field);
      if (proto.raw !== null) wire.fail("corrupt", "a tensor has raw_data twice.", field.at);
      proto.raw = { start: field.start, end: field.end };
      return;
    case EXTERNAL_DATA:
      return readExternalKey(wire, proto, field);
    case DATA_LOCATION:
      proto.external = wire.integer(field) === EXTERNAL;
      return;
  }
}

/** Appends a record of a repeated dims field. */
export function readDims(wire: WireReader, dims: number[], field: Field): undefined | Promise<void> {
  return forEachVarint(wire, field, (low, high) => {
    if (dims.length === MAX_RANK) {
      wire.fail("bad-shape", `a tensor of more than ${MAX_RANK} axes.`, field.at);
    }
    dims.push(signed64(low, high));
  });
}

async function readExternalKey(wire: WireReader, proto: TensorProto, field: Field): Promise<void> {
  let key = "";
  let value = "";
  await wire.visit(wire.message(field), (entry) => {
    if (entry.number === 1) key = wire.text(entry);
    else if (entry.number === 2) value = wire.text(entry);
  });
  // The keys that mean something; anything else is the writer's own and costs no memory.
  if (/^(location|offset|length|checksum)$/.test(key)) proto.externalKeys.set(key, value);
}
