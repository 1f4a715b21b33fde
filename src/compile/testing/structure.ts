import { readOnnx } from "../../formats/onnx/reader.ts";
import { memorySource } from "../../formats/sources.ts";
import type { ArrayType } from "../array-type.ts";
import { type Node, topological } from "../graph.ts";
import { lower } from "../lower.ts";
import { simplify } from "../simplify/simplify.ts";
import { traceFunction } from "../trace.ts";
import { type ArrayFunction, jaxReady } from "./reference.ts";

/** The nodes that a function of arrays of these types is simplified to. */
export async function nodesOf(fn: ArrayFunction, types: readonly ArrayType[]): Promise<Node[]> {
  await jaxReady();
  return topological(simplify(traceFunction(fn as never, types).graph).outputs);
}

/** How many nodes of each operation. */
export function countOps(nodes: readonly Node[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { op } of nodes) counts[op] = (counts[op] ?? 0) + 1;
  return counts;
}

/** How many ONNX nodes of each operator a function is lowered to. */
export async function operatorsOf(
  fn: ArrayFunction,
  types: readonly ArrayType[],
): Promise<Record<string, number>> {
  await jaxReady();
  const { bytes } = lower(traceFunction(fn as never, types));
  const { model } = await readOnnx(memorySource(bytes, "lowered.onnx"));
  const counts: Record<string, number> = {};
  for (const { opType } of model.graph.nodes) counts[opType] = (counts[opType] ?? 0) + 1;
  return counts;
}
