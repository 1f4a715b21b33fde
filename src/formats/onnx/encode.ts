import { elementTypeByName } from "./element-types.ts";
import {
  encodeSparseTensor,
  encodeTensor,
  type SparseTensorDescription,
  type TensorDescription,
} from "./encode-tensor.ts";
import { ProtobufWriter } from "./protobuf-writer.ts";

/** A model to be written. */
export interface ModelDescription {
  /** Operator set of ai.onnx, or versions by domain ("" is ai.onnx). */
  readonly opset: number | Readonly<Record<string, number>>;
  readonly graph: GraphDescription;
  /** Default 8 (ONNX 1.10 to 1.13), which every current runtime reads. */
  readonly irVersion?: number;
  /** Default "lipschitz". */
  readonly producer?: string;
  readonly functions?: readonly FunctionDescription[];
}

export interface GraphDescription {
  readonly name?: string;
  readonly nodes: readonly NodeDescription[];
  readonly initializers?: readonly (TensorDescription & { readonly name: string })[];
  readonly sparseInitializers?: readonly SparseTensorDescription[];
  readonly inputs: readonly ValueDescription[];
  readonly outputs: readonly ValueDescription[];
  /** Types of intermediate values; optional. */
  readonly values?: readonly ValueDescription[];
}

/** A graph input, output or intermediate value. */
export interface ValueDescription {
  readonly name: string;
  /** Default "float32". */
  readonly dtype?: string;
  /** A number, a symbolic name, or null for each axis; left out when the rank is unknown. */
  readonly shape?: readonly (number | string | null)[];
}

export interface NodeDescription {
  readonly opType: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly name?: string;
  /** Default "", ai.onnx. */
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, AttributeDescription>>;
}

/** An attribute to be written; the kinds are those of OnnxAttribute, and the rarer ones onnx.proto has. */
export type AttributeDescription =
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "int"; readonly value: number | bigint }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "tensor"; readonly value: TensorDescription }
  | { readonly kind: "graph"; readonly value: GraphDescription }
  | { readonly kind: "floats"; readonly value: readonly number[] }
  | { readonly kind: "ints"; readonly value: readonly (number | bigint)[] }
  | { readonly kind: "strings"; readonly value: readonly string[] }
  | { readonly kind: "tensors"; readonly value: readonly TensorDescription[] }
  | { readonly kind: "graphs"; readonly value: readonly GraphDescription[] }
  | { readonly kind: "sparseTensor"; readonly value: SparseTensorDescription };

/** A model-local function. */
export interface FunctionDescription {
  readonly name: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodes: readonly NodeDescription[];
  readonly opset: number;
}

const DEFAULT_IR_VERSION = 8;

/**
 * An ONNX file (ModelProto) of the described model.
 * @throws TypeError for an unknown dtype, RangeError when a tensor's data and shape disagree.
 */
export function encodeModel(model: ModelDescription): Uint8Array {
  const writer = new ProtobufWriter();
  writer.integer(1, model.irVersion ?? DEFAULT_IR_VERSION);
  writer.text(2, model.producer ?? "lipschitz");
  writer.message(7, encodeGraph(model.graph));
  const opsets = typeof model.opset === "number" ? { "": model.opset } : model.opset;
  for (const [domain, version] of Object.entries(opsets)) writer.message(8, encodeOpset(domain, version));
  for (const f of model.functions ?? []) writer.message(25, encodeFunction(f));
  return writer.finish();
}

function encodeOpset(domain: string, version: number): ProtobufWriter {
  const writer = new ProtobufWriter();
  writer.text(1, domain);
  writer.integer(2, version);
  return writer;
}

function encodeFunction(f: FunctionDescription): ProtobufWriter {
  const writer = new ProtobufWriter();
  writer.text(1, f.name);
  for (const input of f.inputs) writer.text(4, input);
  for (const output of f.outputs) writer.text(5, output);
  for (const node of f.nodes) writer.message(7, encodeNode(node));
  writer.message(9, encodeOpset("", f.opset));
  writer.text(10, f.domain);
  return writer;
}

function encodeGraph(graph: GraphDescription): ProtobufWriter {
  const writer = new ProtobufWriter();
  for (const node of graph.nodes) writer.message(1, encodeNode(node));
  writer.text(2, graph.name ?? "graph");
  for (const tensor of graph.initializers ?? []) writer.message(5, encodeTensor(tensor));
  for (const value of graph.inputs) writer.message(11, encodeValue(value));
  for (const value of graph.outputs) writer.message(12, encodeValue(value));
  for (const value of graph.values ?? []) writer.message(13, encodeValue(value));
  for (const tensor of graph.sparseInitializers ?? []) writer.message(15, encodeSparseTensor(tensor));
  return writer;
}

function encodeNode(node: NodeDescription): ProtobufWriter {
  const writer = new ProtobufWriter();
  for (const input of node.inputs) writer.text(1, input);
  for (const output of node.outputs) writer.text(2, output);
  if (node.name !== undefined) writer.text(3, node.name);
  writer.text(4, node.opType);
  for (const [name, attribute] of Object.entries(node.attributes ?? {})) {
    writer.message(5, encodeAttribute(name, attribute));
  }
  if (node.domain !== undefined) writer.text(7, node.domain);
  return writer;
}

/** AttributeProto.AttributeType by kind. */
const ATTRIBUTE_TYPES: Readonly<Record<AttributeDescription["kind"], number>> = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
  sparseTensor: 11,
};

function encodeAttribute(name: string, attribute: AttributeDescription): ProtobufWriter {
  const writer = new ProtobufWriter();
  writer.text(1, name);
  writeAttributeValue(writer, attribute);
  writer.integer(20, ATTRIBUTE_TYPES[attribute.kind]);
  return writer;
}

function writeAttributeValue(writer: ProtobufWriter, attribute: AttributeDescription): void {
  switch (attribute.kind) {
    case "float":
      writer.float(2, attribute.value);
      return;
    case "int":
      writer.integer(3, attribute.value);
      return;
    case "string":
      writer.text(4, attribute.value);
      return;
    case "tensor":
      writer.message(5, encodeTensor(attribute.value));
      return;
    case "graph":
      writer.message(6, encodeGraph(attribute.value));
      return;
    case "sparseTensor":
      writer.message(22, encodeSparseTensor(attribute.value));
      return;
    default:
      writeAttributeList(writer, attribute);
  }
}

type ListAttribute = Extract<AttributeDescription, { readonly value: readonly unknown[] }>;

function writeAttributeList(writer: ProtobufWriter, attribute: ListAttribute): void {
  switch (attribute.kind) {
    case "floats":
      for (const value of attribute.value) writer.float(7, value);
      return;
    case "ints":
      for (const value of attribute.value) writer.integer(8, value);
      return;
    case "strings":
      for (const value of attribute.value) writer.text(9, value);
      return;
    case "tensors":
      for (const value of attribute.value) writer.message(10, encodeTensor(value));
      return;
    case "graphs":
      for (const value of attribute.value) writer.message(11, encodeGraph(value));
  }
}

function encodeValue(value: ValueDescription): ProtobufWriter {
  const dtype = value.dtype ?? "float32";
  const type = elementTypeByName(dtype);
  if (type === undefined)
    throw new TypeError(`encodeModel: dtype "${dtype}" of value "${value.name}" is not known`);
  const tensorType = new ProtobufWriter();
  tensorType.integer(1, type.code);
  if (value.shape !== undefined) tensorType.message(2, encodeShape(value.shape));
  const typeProto = new ProtobufWriter();
  typeProto.message(1, tensorType);
  const writer = new ProtobufWriter();
  writer.text(1, value.name);
  writer.message(2, typeProto);
  return writer;
}

function encodeShape(shape: readonly (number | string | null)[]): ProtobufWriter {
  const writer = new ProtobufWriter();
  for (const dim of shape) {
    const dimension = new ProtobufWriter();
    if (typeof dim === "number") dimension.integer(1, dim);
    else if (dim !== null) dimension.text(2, dim);
    writer.message(1, dimension);
  }
  return writer;
}
