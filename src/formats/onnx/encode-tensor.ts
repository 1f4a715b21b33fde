import { DATA_FIELD_NUMBERS, type ElementType, elementTypeByName } from "./element-types.ts";
import { ProtobufWriter } from "./protobuf-writer.ts";

/** Where a tensor's elements go: raw_data, a typed field (packed or one record per value), or another file. */
export type TensorStorage =
  | "raw"
  | "packed"
  | "unpacked"
  | {
      readonly location: string;
      readonly offset?: number;
      readonly length?: number;
      readonly checksum?: string;
    };

/** A tensor to be written. */
export interface TensorDescription {
  /** May be left out for a tensor in an attribute. */
  readonly name?: string;
  /** By default the type of `data`'s elements; give it for float16 bits in a Uint16Array, packed int4 and so on. */
  readonly dtype?: string;
  /** Row-major dimensions; by default one axis as long as `data`. */
  readonly shape?: readonly number[];
  /** The elements, little-endian as stored; strings as text. Leave out with external storage. */
  readonly data?: ArrayBufferView | readonly string[];
  /** Default "raw" ("packed" for strings, which have no raw form). */
  readonly storage?: TensorStorage;
}

/** A tensor without a dense form; its elements at the given indices. */
export interface SparseTensorDescription {
  readonly values: TensorDescription;
  /** int64 indices: linear, or one row per element. */
  readonly indices: TensorDescription;
  readonly shape: readonly number[];
}

const DTYPE_OF_ARRAY: Readonly<Record<string, string>> = {
  Float32Array: "float32",
  Float64Array: "float64",
  Int8Array: "int8",
  Uint8Array: "uint8",
  Int16Array: "int16",
  Uint16Array: "uint16",
  Int32Array: "int32",
  Uint32Array: "uint32",
  BigInt64Array: "int64",
  BigUint64Array: "uint64",
};
/** TensorProto.DataLocation.EXTERNAL */
const EXTERNAL = 1;

/**
 * A TensorProto.
 * @throws TypeError for an unknown dtype, RangeError when data and shape disagree.
 */
export function encodeTensor(tensor: TensorDescription): ProtobufWriter {
  const type = elementType(tensor);
  const shape = tensor.shape ?? [naturalLength(tensor.data)];
  const writer = new ProtobufWriter();
  writer.packedIntegers(1, shape);
  writer.integer(2, type.code);
  if (tensor.name !== undefined) writer.text(8, tensor.name);
  const storage = tensor.storage ?? (type.bits === 0 ? "packed" : "raw");
  if (typeof storage === "object") writeExternal(writer, storage);
  else writeData(writer, tensor, type, shape, storage);
  return writer;
}

/** A SparseTensorProto. */
export function encodeSparseTensor(tensor: SparseTensorDescription): ProtobufWriter {
  const writer = new ProtobufWriter();
  writer.message(1, encodeTensor(tensor.values));
  writer.message(2, encodeTensor(tensor.indices));
  writer.packedIntegers(3, tensor.shape);
  return writer;
}

function elementType(tensor: TensorDescription): ElementType {
  const { data } = tensor;
  const natural = ArrayBuffer.isView(data) ? DTYPE_OF_ARRAY[data.constructor.name] : data && "string";
  const name = tensor.dtype ?? natural ?? "";
  const type = elementTypeByName(name);
  if (type === undefined) {
    throw new TypeError(`encodeTensor: dtype "${name}" of tensor "${tensor.name ?? ""}" is not known`);
  }
  return type;
}

function naturalLength(data: ArrayBufferView | readonly string[] | undefined): number {
  if (data === undefined) throw new RangeError("encodeTensor: a tensor without data needs a shape");
  return ArrayBuffer.isView(data) ? lengthOf(data) : data.length;
}

function lengthOf(view: ArrayBufferView): number {
  return "length" in view && typeof view.length === "number" ? view.length : view.byteLength;
}

function writeData(
  writer: ProtobufWriter,
  tensor: TensorDescription,
  type: ElementType,
  shape: readonly number[],
  storage: "raw" | "packed" | "unpacked",
): void {
  const elements = shape.reduce((a, b) => a * b, 1);
  if (!ArrayBuffer.isView(tensor.data)) {
    const strings = tensor.data ?? [];
    if (type.bits !== 0) throw new TypeError(`encodeTensor: ${type.name} data must be a typed array`);
    checkSize(tensor, strings.length, elements, "strings");
    for (const text of strings) writer.text(DATA_FIELD_NUMBERS.string_data, text);
    return;
  }
  const bytes = new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
  checkSize(tensor, bytes.length, Math.ceil((elements * type.bits) / 8), "bytes");
  if (storage === "raw") writer.bytes(9, bytes);
  else writeTyped(writer, bytes, type, storage === "packed");
}

function checkSize(tensor: TensorDescription, got: number, expected: number, unit: string): void {
  if (got === expected) return;
  const shape = tensor.shape ?? [];
  throw new RangeError(
    `encodeTensor: tensor "${tensor.name ?? ""}" of shape [${shape}] needs ${expected} ${unit}, got ${got}`,
  );
}

function writeTyped(writer: ProtobufWriter, bytes: Uint8Array, type: ElementType, packed: boolean): void {
  const field = DATA_FIELD_NUMBERS[type.field];
  if (type.field === "float_data" || type.field === "double_data") {
    const size = type.field === "float_data" ? 4 : 8;
    if (packed) writer.bytes(field, bytes);
    else for (let i = 0; i < bytes.length; i += size) writer.fixed(field, bytes.subarray(i, i + size));
    return;
  }
  const values = integers(bytes, type);
  if (packed) writer.packedIntegers(field, values);
  else for (const value of values) writer.integer(field, value);
}

/** Elements as the integers their typed field holds: halves and smaller floats as their bits. */
function* integers(bytes: Uint8Array, type: ElementType): Generator<number | bigint> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const signed = type.name.startsWith("int");
  const size = Math.max(1, type.bits / 8);
  for (let i = 0; i < bytes.length; i += size) {
    if (type.bits === 64) yield signed ? view.getBigInt64(i, true) : view.getBigUint64(i, true);
    else if (type.bits === 32) yield signed ? view.getInt32(i, true) : view.getUint32(i, true);
    else if (type.bits === 16) yield signed ? view.getInt16(i, true) : view.getUint16(i, true);
    else yield type.name === "int8" ? view.getInt8(i) : view.getUint8(i);
  }
}

function writeExternal(writer: ProtobufWriter, storage: Exclude<TensorStorage, string>): void {
  for (const [key, value] of Object.entries(storage)) {
    const entry = new ProtobufWriter();
    entry.text(1, key);
    entry.text(2, String(value));
    writer.message(13, entry);
  }
  writer.integer(14, EXTERNAL);
}
