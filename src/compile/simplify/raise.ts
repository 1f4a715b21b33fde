import { elementCount, type Graph, type Node, topological } from "../graph.ts";
import type { Builder } from "./builder.ts";
import { isElementwise, remade } from "./elementwise-views.ts";
import { plainly, rebuild } from "./rebuild.ts";

/**
 * Computes elementwise functions of transposed arrays where the transposed arrays are at hand anyway, so that a weight's
 * gradient is transposed once and not its square again. The builder must not move transpositions itself.
 */
export function raiseTranspositions(graph: Graph, build: Builder): Graph {
  const transposed = new Set<string>();
  for (const node of topological(graph.outputs)) {
    if (node.op === "transpose") transposed.add(keyOf(node.inputs[0], node.parameters.permutation));
  }
  const remake = plainly(build);
  return rebuild(graph, build, (node, inputs) => {
    if (node.op !== "transpose" || !isElementwise(node.inputs[0])) return remake(node, inputs);
    const { permutation } = node.parameters;
    const [original] = node.inputs;
    const atHand = (input: Node) => input.shape.length === 0 || transposed.has(keyOf(input, permutation));
    const large = original.inputs.some((input) => elementCount(input.shape) === elementCount(node.shape));
    if (!large || !original.inputs.every(atHand)) return remake(node, inputs);
    const operands = inputs[0].inputs.map((input) =>
      input.shape.length === 0 ? input : build.transpose(input, permutation),
    );
    return remade(build, inputs[0], operands);
  });
}

function keyOf(node: Node, permutation: readonly number[]): string {
  return `${node.id} ${permutation}`;
}
