import { FormatError } from "../errors.ts";
import type { ModelWarning, TensorEntry } from "../model.ts";
import { type AttributeProto, plainAttribute, readAttributeProto, text } from "./attribute.ts";
import { type Budget, LARGE_ITEM, MAX_GRAPH_DEPTH } from "./limits.ts";
import type { TensorBuilder } from "./tensor-entry.ts";
import { readDims, readTensorProto, type TensorProto } from "./tensor-proto.ts";
import type { OnnxAttribute, OnnxGraph, OnnxNode, OnnxValueInfo } from "./types.ts";
import { readValueInfo } from "./value-info.ts";
import type { Field, Message, WireReader } from "./wire.ts";

/** Where a graph stands among graphs: the prefix of its tensors' names, and how deep it is. */
interface Scope {
  readonly prefix: string;
  readonly depth: number;
}

interface NodeProto {
  name: string;
  opType: string;
  domain: string;
  readonly inputs: string[];
  readonly outputs: string[];
  readonly attributes: Field[];
}

interface GraphProto {
  name: string;
  readonly nodes: OnnxNode[];
  readonly initializers: Map<string, TensorEntry>;
  readonly inputs: OnnxValueInfo[];
  readonly outputs: OnnxValueInfo[];
  readonly values: Map<string, OnnxValueInfo>;
}

/** AttributeProto.AttributeType */
const TENSOR = 4;
const GRAPH = 5;
const TENSORS = 9;
const GRAPHS = 10;
const SPARSE_TENSOR = 11;

const CHECKSUM_WARNING =
  "its external data has a checksum, which is not verified and no longer holds once the data is rewritten";

/** Reads graphs and collects every tensor in them. */
export class GraphReader {
  /** Every tensor met, with the message it was read from (sparse tensors too). */
  readonly tensors = new Map<TensorEntry, TensorProto>();
  readonly warnings: ModelWarning[] = [];
  readonly #wire: WireReader;
  readonly #budget: Budget;
  readonly #builder: TensorBuilder;
  /** How often each tensor name was asked for. */
  readonly #names = new Map<string, number>();

  constructor(wire: WireReader, budget: Budget, builder: TensorBuilder) {
    this.#wire = wire;
    this.#budget = budget;
    this.#builder = builder;
  }

  /** @throws FormatError for anything in the graph that does not hold together. */
  async graph(message: Message, scope: Scope = { prefix: "", depth: 0 }): Promise<OnnxGraph> {
    if (scope.depth >= MAX_GRAPH_DEPTH) {
      this.#wire.fail("too-large", `graphs nested more than ${MAX_GRAPH_DEPTH} deep.`, message.start);
    }
    const graph: GraphProto = {
      name: "",
      nodes: [],
      initializers: new Map(),
      inputs: [],
      outputs: [],
      values: new Map(),
    };
    await this.#wire.visit(message, (field) => this.#graphField(graph, field, scope));
    const inputs = graph.inputs.filter((input) => !graph.initializers.has(input.name));
    return { ...graph, inputs };
  }

  /** Lists the tensors of a model-local function's nodes. */
  async functionNodes(message: Message, name: string): Promise<void> {
    const scope = { prefix: `${name}/`, depth: 0 };
    let index = 0;
    await this.#wire.visit(message, async (field) => {
      if (field.number === 7) await this.#node(this.#wire.message(field), index++, scope);
    });
  }

  async #graphField(graph: GraphProto, field: Field, scope: Scope): Promise<void> {
    const wire = this.#wire;
    switch (field.number) {
      case 1:
        graph.nodes.push(await this.#node(wire.message(field), graph.nodes.length, scope));
        return;
      case 2:
        graph.name = text(wire, this.#budget, field);
        return;
      case 5:
        return this.#initializer(graph, wire.message(field), scope);
      case 11:
        graph.inputs.push(await this.#valueInfo(field));
        return;
      case 12:
        graph.outputs.push(await this.#valueInfo(field));
        return;
      case 13: {
        const info = await this.#valueInfo(field);
        graph.values.set(info.name, info);
        return;
      }
      case 15: {
        const [name, entry] = await this.#sparseTensor(wire.message(field), scope.prefix);
        graph.initializers.set(name, entry);
        return;
      }
    }
  }

  #valueInfo(field: Field): Promise<OnnxValueInfo> {
    this.#budget.spend("items", LARGE_ITEM, field.at);
    return readValueInfo(this.#wire, this.#budget, this.#wire.message(field));
  }

  async #initializer(graph: GraphProto, message: Message, scope: Scope): Promise<void> {
    const proto = await readTensorProto(this.#wire, message);
    const name = proto.name === "" ? `initializer_${graph.initializers.size}` : proto.name;
    if (graph.initializers.has(name)) {
      const place = { file: this.#wire.source.name, tensor: name, byte: message.start };
      throw new FormatError("corrupt", "two initialisers of one graph have this name.", place);
    }
    graph.initializers.set(name, await this.#tensor(proto, scope.prefix + name));
  }

  async #tensor(proto: TensorProto, wanted: string): Promise<TensorEntry> {
    const name = this.#unique(wanted, proto.message.start);
    const entry = await this.#builder.build(proto, name);
    this.tensors.set(entry, proto);
    if (proto.externalKeys.has("checksum")) this.warnings.push({ where: name, message: CHECKSUM_WARNING });
    return entry;
  }

  #unique(wanted: string, byte: number): string {
    this.#budget.spend("tensors", 1, byte);
    this.#budget.spend("bytes of names", wanted.length, byte);
    const uses = (this.#names.get(wanted) ?? 0) + 1;
    this.#names.set(wanted, uses);
    return uses === 1 ? wanted : this.#unique(`${wanted}#${uses}`, byte);
  }

  /** SparseTensorProto: values 1, indices 2, dims 3. Listed; its elements are not read. */
  async #sparseTensor(message: Message, prefix: string, fallback?: string): Promise<[string, TensorEntry]> {
    const wire = this.#wire;
    const values: TensorProto[] = [];
    const dims: number[] = [];
    await wire.visit(message, async (field) => {
      if (field.number === 1 && values.length === 0) {
        values.push(await readTensorProto(wire, wire.message(field)));
      } else if (field.number === 3) await readDims(wire, dims, field);
    });
    const [proto] = values;
    if (proto === undefined) wire.fail("corrupt", "a sparse tensor without values.", message.start);
    const local = fallback ?? (proto.name === "" ? "sparse_initializer" : proto.name);
    const entry = this.#builder.sparse(proto, this.#unique(prefix + local, message.start), dims);
    this.tensors.set(entry, { ...proto, message });
    return [local, entry];
  }

  async #node(message: Message, index: number, scope: Scope): Promise<OnnxNode> {
    this.#budget.spend("nodes", 1, message.start);
    const proto: NodeProto = { name: "", opType: "", domain: "", inputs: [], outputs: [], attributes: [] };
    await this.#wire.visit(message, (field) => this.#nodeField(proto, field));
    const name = proto.name === "" ? `${proto.opType}_${index}` : proto.name;
    const attributes = new Map<string, OnnxAttribute>();
    for (const field of proto.attributes) {
      const attribute = await readAttributeProto(this.#wire, this.#budget, field);
      attributes.set(attribute.name, await this.#attribute(attribute, { ...proto, name }, scope));
    }
    // "ai.onnx" is the default domain's full name.
    const domain = proto.domain === "ai.onnx" ? "" : proto.domain;
    return { name, opType: proto.opType, domain, inputs: proto.inputs, outputs: proto.outputs, attributes };
  }

  #nodeField(proto: NodeProto, field: Field): undefined {
    const read = () => text(this.#wire, this.#budget, field);
    switch (field.number) {
      case 1:
        this.#budget.spend("items", 1, field.at);
        proto.inputs.push(read());
        return;
      case 2:
        this.#budget.spend("items", 1, field.at);
        proto.outputs.push(read());
        return;
      case 3:
        proto.name = read();
        return;
      case 4:
        proto.opType = read();
        return;
      case 5:
        this.#budget.spend("items", LARGE_ITEM, field.at);
        this.#wire.message(field);
        proto.attributes.push(field);
        return;
      case 7:
        proto.domain = read();
        return;
    }
  }

  async #attribute(proto: AttributeProto, node: NodeProto, scope: Scope): Promise<OnnxAttribute> {
    switch (proto.type) {
      case TENSOR: {
        const [value] = await this.#attributeTensors(proto, node, scope);
        return value === undefined ? { kind: "other" } : { kind: "tensor", value };
      }
      case TENSORS:
        await this.#attributeTensors(proto, node, scope);
        return { kind: "other" };
      case GRAPH: {
        const [value] = await this.#attributeGraphs(proto, node, scope);
        return value === undefined ? { kind: "other" } : { kind: "graph", value };
      }
      case GRAPHS:
        return { kind: "graphs", value: await this.#attributeGraphs(proto, node, scope) };
      case SPARSE_TENSOR: {
        const [field] = proto.sparse;
        if (field === undefined) return { kind: "other" };
        const name = tensorName(proto, node);
        return { kind: "tensor", value: (await this.#sparseTensor(field, scope.prefix, name))[1] };
      }
      default:
        return plainAttribute(proto);
    }
  }

  async #attributeTensors(proto: AttributeProto, node: NodeProto, scope: Scope): Promise<TensorEntry[]> {
    const fields = this.#atMostOne(proto, proto.tensors, TENSOR);
    const entries: TensorEntry[] = [];
    for (const [i, field] of fields.entries()) {
      const name = tensorName(proto, node) + (proto.type === TENSORS ? `/${i}` : "");
      entries.push(await this.#tensor(await readTensorProto(this.#wire, field), scope.prefix + name));
    }
    return entries;
  }

  async #attributeGraphs(proto: AttributeProto, node: NodeProto, scope: Scope): Promise<OnnxGraph[]> {
    const fields = this.#atMostOne(proto, proto.graphs, GRAPH);
    const graphs: OnnxGraph[] = [];
    for (const [i, field] of fields.entries()) {
      const part = proto.name.replace(/_branch$/, "") + (proto.type === GRAPHS ? `/${i}` : "");
      const prefix = `${scope.prefix}${node.name}/${part}/`;
      graphs.push(await this.graph(field, { prefix, depth: scope.depth + 1 }));
    }
    return graphs;
  }

  /** Protobuf would merge repeated occurrences of a single message; no writer produces them. */
  #atMostOne(proto: AttributeProto, fields: readonly Field[], single: number): readonly Field[] {
    if (proto.type === single && fields.length > 1) {
      this.#wire.fail("corrupt", `attribute "${proto.name}" has its value twice.`, fields[1].at);
    }
    return fields;
  }
}

/** A Constant's tensor is known by the node's output, any other attribute's by node and attribute. */
function tensorName(proto: AttributeProto, node: NodeProto): string {
  const output = node.outputs[0] ?? "";
  return node.opType === "Constant" && output !== "" ? output : `${node.name}/${proto.name}`;
}
