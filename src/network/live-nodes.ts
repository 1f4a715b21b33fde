import type { OnnxGraph, OnnxNode } from "../formats/onnx/types.ts";
import { type Scope, valuesRead } from "./scope.ts";
import { withSelfProducts } from "./self-products.ts";

/** Nodes that an output of the graph is computed from, in their order. */
export function liveNodes(graph: OnnxGraph): readonly OnnxNode[] {
  return live(graph, graph.nodes);
}

/** The same with each product of a value with a function of itself as one node: what bounds and runs work on. */
export function effectiveNodes(scope: Scope): readonly OnnxNode[] {
  return live(scope.graph, withSelfProducts(scope.graph.nodes, scope));
}

function live(graph: OnnxGraph, nodes: readonly OnnxNode[]): readonly OnnxNode[] {
  const needed = new Set(graph.outputs.map((o) => o.name));
  const found: OnnxNode[] = [];
  for (const node of [...nodes].reverse()) {
    if (!node.outputs.some((name) => needed.has(name))) continue;
    found.push(node);
    for (const name of valuesRead(node)) needed.add(name);
  }
  return found.reverse();
}
