import type { OnnxGraph, OnnxNode } from "../formats/onnx/types.ts";
import { valuesRead } from "./scope.ts";

/** Nodes that an output of the graph is computed from, in their order. */
export function liveNodes(graph: OnnxGraph): readonly OnnxNode[] {
  const needed = new Set(graph.outputs.map((o) => o.name));
  const live: OnnxNode[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((name) => needed.has(name))) continue;
    live.push(node);
    for (const name of valuesRead(node)) needed.add(name);
  }
  return live.reverse();
}
