import { elementCount, type Node } from "../graph.ts";
import type { Builder, Rule } from "./builder.ts";
import { remade } from "./elementwise-views.ts";
import { inversePermutation } from "./reshape-groups.ts";
import { turned } from "./turned.ts";

/** The share of a result's elements whose rearrangement is a fair price for moving a transposition past an operation. */
const FAIR = 1 / 4;

/** f(transpose(x), y) is transpose(f(x, y′)) where y′, y transposed back, costs little or nothing. */
export const transposeLast: Rule<never> = (build: Builder, node: Node) => {
  const size = elementCount(node.shape);
  const lead = node.inputs.find((input) => input.op === "transpose" && elementCount(input.shape) === size);
  if (lead === undefined || lead.op !== "transpose") return undefined;
  const { permutation } = lead.parameters;
  if (permutation.length !== node.shape.length) return undefined;
  const back = inversePermutation(permutation);
  const inputs: Node[] = [];
  for (const input of node.inputs) {
    const moved = turned(build, input, back, size * FAIR);
    if (moved === undefined) return undefined;
    inputs.push(moved);
  }
  return build.transpose(remade(build, node, inputs), permutation);
};
