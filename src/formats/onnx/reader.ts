import { FormatError } from "../errors.ts";
import type { ModelWarning, TensorEntry } from "../model.ts";
import type { ByteSource } from "../source.ts";
import { text } from "./attribute.ts";
import { ExternalFiles } from "./external.ts";
import { GraphReader } from "./graph-reader.ts";
import { Budget, LARGE_ITEM } from "./limits.ts";
import { TensorBuilder } from "./tensor-entry.ts";
import type { TensorProto } from "./tensor-proto.ts";
import type { OnnxModel } from "./types.ts";
import { type Field, WireReader } from "./wire.ts";

/** An ONNX file read: its structure, its tensors in file order, and where each came from. */
export interface ReadOnnx {
  readonly model: OnnxModel;
  readonly tensors: ReadonlyMap<TensorEntry, TensorProto>;
  readonly warnings: readonly ModelWarning[];
  readonly external: ExternalFiles;
}

interface ModelProto {
  irVersion: number | null;
  producer: string;
  producerVersion: string;
  readonly opsets: Map<string, number>;
  graph: Field | null;
  readonly functions: Field[];
}

/**
 * Reads a ModelProto without loading any tensor's data.
 * Reference: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 * @throws FormatError
 */
export async function readOnnx(source: ByteSource): Promise<ReadOnnx> {
  const wire = new WireReader(source);
  const budget = new Budget(source.name);
  const external = new ExternalFiles(source);
  const reader = new GraphReader(wire, budget, new TensorBuilder(wire, external));
  try {
    const proto = await readModelProto(wire, budget);
    const graph = await reader.graph(proto.graph);
    for (const field of proto.functions) await readFunction(wire, budget, reader, field);
    const producer = [proto.producer, proto.producerVersion].filter((part) => part !== "").join(" ");
    if (proto.opsets.size === 0) {
      reader.warnings.push({ where: source.name, message: "the file names no operator set version" });
    }
    return {
      model: { irVersion: proto.irVersion, producer, opsets: proto.opsets, graph },
      tensors: inFileOrder(reader.tensors),
      warnings: reader.warnings,
      external,
    };
  } catch (error) {
    await external.close();
    throw error;
  }
}

async function readModelProto(wire: WireReader, budget: Budget) {
  const proto: ModelProto = {
    irVersion: null,
    producer: "",
    producerVersion: "",
    opsets: new Map(),
    graph: null,
    functions: [],
  };
  await wire.visit(wire.root(), (field) => readModelField(wire, budget, proto, field));
  const { graph, irVersion } = proto;
  const place = { file: wire.source.name, hint: "Is this an ONNX model, and whole?" };
  if (irVersion === null) throw new FormatError("bad-header", "no ir_version.", place);
  if (graph === null) throw new FormatError("bad-header", "the model has no graph.", place);
  return { ...proto, graph, irVersion };
}

function readModelField(
  wire: WireReader,
  budget: Budget,
  proto: ModelProto,
  field: Field,
): undefined | Promise<void> {
  switch (field.number) {
    case 1:
      proto.irVersion = wire.integer(field);
      return;
    case 2:
      proto.producer = text(wire, budget, field);
      return;
    case 3:
      proto.producerVersion = text(wire, budget, field);
      return;
    case 7:
      wire.message(field);
      if (proto.graph !== null) wire.fail("corrupt", "the model has two graphs.", field.at);
      proto.graph = field;
      return;
    case 8:
      return readOpset(wire, budget, proto, field);
    case 25:
      budget.spend("items", LARGE_ITEM, field.at);
      wire.message(field);
      proto.functions.push(field);
      return;
  }
}

async function readOpset(wire: WireReader, budget: Budget, proto: ModelProto, field: Field): Promise<void> {
  budget.spend("items", LARGE_ITEM, field.at);
  let domain = "";
  let version = 0;
  await wire.visit(wire.message(field), (entry) => {
    if (entry.number === 1) domain = text(wire, budget, entry);
    else if (entry.number === 2) version = wire.integer(entry);
  });
  proto.opsets.set(domain === "ai.onnx" ? "" : domain, version);
}

async function readFunction(
  wire: WireReader,
  budget: Budget,
  reader: GraphReader,
  field: Field,
): Promise<void> {
  let name = "";
  let domain = "";
  await wire.visit(field, (entry) => {
    if (entry.number === 1) name = text(wire, budget, entry);
    else if (entry.number === 10) domain = text(wire, budget, entry);
  });
  const full = domain === "" ? name : `${domain}.${name}`;
  await reader.functionNodes(field, full);
  reader.warnings.push({
    where: full,
    message: "a function defined in the model: its tensors are listed, its nodes are not looked into",
  });
}

function inFileOrder(tensors: ReadonlyMap<TensorEntry, TensorProto>): Map<TensorEntry, TensorProto> {
  return new Map([...tensors].sort(([, a], [, b]) => a.message.start - b.message.start));
}
