import { type Graph, type Node, topological } from "../graph.ts";
import type { Builder } from "./builder.ts";

/** How a pass makes the counterpart of a node, given the counterparts of its operands. */
export type Remake = (node: Node, inputs: readonly Node[]) => Node;

/** The same computation made anew by a builder, operands first; what no output needs is left behind. */
export function rebuild(graph: Graph, build: Builder, remake: Remake = plainly(build)): Graph {
  const made = new Map<Node, Node>();
  const counterpart = (node: Node) => made.get(node)!;
  for (const node of topological(graph.outputs)) made.set(node, remake(node, node.inputs.map(counterpart)));
  return { outputs: graph.outputs.map(counterpart) };
}

/** Makes every node as it was, but for what the builder's rules change. */
export function plainly(build: Builder): Remake {
  return ({ op, parameters, shape, dtype }, inputs) =>
    build.node(op, inputs, parameters as never, shape, dtype);
}

/** How often the nodes that the outputs reach are used, outputs counted. */
export function useCounts(graph: Graph): ReadonlyMap<Node, number> {
  const counts = new Map<Node, number>();
  const count = (node: Node) => counts.set(node, (counts.get(node) ?? 0) + 1);
  for (const node of topological(graph.outputs)) node.inputs.forEach(count);
  graph.outputs.forEach(count);
  return counts;
}
