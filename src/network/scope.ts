import type { TensorEntry } from "../formats/model.ts";
import type { OnnxGraph, OnnxNode } from "../formats/onnx/types.ts";
import { subgraphsOf, tensorAttribute } from "./attributes.ts";
import { isKnownDomain } from "./operators/domain.ts";
import type { GraphShapes } from "./shapes/infer.ts";
import { agreement, type Shape, type Value } from "./shapes/value.ts";

/** A node and the graph it stands in. */
export interface Site {
  readonly node: OnnxNode;
  readonly scope: Scope;
}

/** Operators whose result differs from run to run; their outputs are never constants. */
const RANDOM = /^(Random|Bernoulli$|Multinomial$)/;

/** Operators that look only at shapes: constants as far as the network's values are concerned. */
const SHAPE_ONLY: ReadonlySet<string> = new Set(["Shape", "Size"]);

function isConstant(node: OnnxNode): boolean {
  return node.opType === "Constant" && isKnownDomain(node);
}

/** Names of a graph resolved: which value is constant, who makes it, where its numbers are stored. */
export class Scope {
  readonly graph: OnnxGraph;
  readonly parent: Scope | null;
  /** Prepended to the names of this graph's nodes: the path of nodes and branches that lead to it. */
  readonly prefix: string;
  readonly #shapes: GraphShapes;
  readonly #otherBatch: GraphShapes | null;
  readonly #producers = new Map<string, OnnxNode>();
  readonly #constants = new Set<string>();
  readonly #formal: ReadonlySet<string>;

  /** @param otherBatch shapes for another batch size, where the batch is an assumption of ours. */
  constructor(
    graph: OnnxGraph,
    shapes: GraphShapes,
    otherBatch: GraphShapes | null,
    parent: Scope | null = null,
    prefix = "",
  ) {
    this.graph = graph;
    this.parent = parent;
    this.prefix = prefix;
    this.#shapes = shapes;
    this.#otherBatch = otherBatch;
    this.#formal = new Set(graph.inputs.map((i) => i.name));
    for (const node of graph.nodes) {
      for (const name of node.outputs) if (name !== "") this.#producers.set(name, node);
      if (this.isConstantNode(node)) for (const name of node.outputs) this.#constants.add(name);
    }
  }

  /** True when a node's outputs do not depend on the network's inputs (other than on their shapes). */
  isConstantNode(node: OnnxNode): boolean {
    if (isConstant(node) || (SHAPE_ONLY.has(node.opType) && isKnownDomain(node))) return true;
    if (RANDOM.test(node.opType) || subgraphsOf(node).length > 0) return false;
    const inputs = node.inputs.filter((name) => name !== "");
    return inputs.length > 0 && inputs.every((name) => this.isConstant(name));
  }

  isConstant(name: string): boolean {
    if (this.#constants.has(name) || this.graph.initializers.has(name)) return true;
    if (this.#formal.has(name) || this.#producers.has(name)) return false;
    return this.parent?.isConstant(name) ?? false;
  }

  /** The node that makes a value, in this graph or one around it. */
  producer(name: string): Site | undefined {
    const node = this.#producers.get(name);
    if (node !== undefined) return { node, scope: this };
    if (this.#formal.has(name) || this.graph.initializers.has(name)) return undefined;
    return this.parent?.producer(name);
  }

  /** The stored tensor behind a name: an initialiser or the value of a Constant node. */
  tensor(name: string): TensorEntry | undefined {
    const own = this.graph.initializers.get(name);
    if (own !== undefined) return own;
    const node = this.#producers.get(name);
    if (node !== undefined) return isConstant(node) ? tensorAttribute(node, "value") : undefined;
    return this.#formal.has(name) ? undefined : this.parent?.tensor(name);
  }

  get opset(): number {
    return this.#shapes.opset;
  }

  value(name: string): Value {
    return this.#shapes.value(name);
  }

  /**
   * The shape of a value with every size that depends on the assumed batch unknown: what we take for a batch could
   * be an axis that a convolution slides along.
   */
  steadyShape(name: string): Shape | null {
    const { shape } = this.value(name);
    return this.#otherBatch === null ? shape : agreement(shape, this.#otherBatch.value(name).shape);
  }

  /** The scope of a subgraph of one of this graph's nodes. */
  inside(node: OnnxNode, label: string, graph: OnnxGraph): Scope {
    return new Scope(
      graph,
      this.#shapes.inside(graph),
      this.#otherBatch?.inside(graph) ?? null,
      this,
      `${this.prefix}${node.name}/${label}/`,
    );
  }
}

/** Every node of a graph and its subgraphs, a node before what is inside it. */
export function* sitesOf(scope: Scope): Generator<Site> {
  for (const node of scope.graph.nodes) {
    yield { node, scope };
    for (const { label, graph } of subgraphsOf(node)) yield* sitesOf(scope.inside(node, label, graph));
  }
}

/** Values that a node reads: its inputs, and what its subgraphs take from around them. */
export function valuesRead(node: OnnxNode): readonly string[] {
  const names = node.inputs.filter((name) => name !== "");
  for (const { graph } of subgraphsOf(node)) names.push(...captured(graph));
  return names;
}

function captured(graph: OnnxGraph): Set<string> {
  const own = new Set([...graph.inputs.map((i) => i.name), ...graph.initializers.keys()]);
  for (const node of graph.nodes) for (const name of node.outputs) own.add(name);
  const free = new Set<string>();
  for (const node of graph.nodes) for (const name of valuesRead(node)) if (!own.has(name)) free.add(name);
  for (const { name } of graph.outputs) if (!own.has(name)) free.add(name);
  return free;
}

/** True when a node of the scope's graph (or of one inside it) or an output of the graph reads the value. */
export function isRead({ graph }: Scope, name: string): boolean {
  return graph.outputs.some((o) => o.name === name) || graph.nodes.some((n) => valuesRead(n).includes(name));
}
