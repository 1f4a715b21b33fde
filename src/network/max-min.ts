import type { OnnxNode } from "../formats/onnx/types.ts";
import { INTERNAL_DOMAIN, isKnownDomain } from "./operators/domain.ts";

/**
 * Max and Min of the same two values: sorting pairs (MaxMin, GroupSort of size 2; Anil, Lucas & Grosse 2019,
 * "Sorting out Lipschitz function approximation"). Together they move entries, so they are bounded as one node;
 * apart they would cost a factor of √2.
 */
export interface MaxMinPair {
  /** The node that comes first, which stands for both. */
  readonly first: OnnxNode;
  /** One node "MaxMin" with the maximum and the minimum as outputs. */
  readonly merged: OnnxNode;
}

/** Every such pair of a graph, by each of its two nodes. */
export function maxMinPairs(nodes: readonly OnnxNode[]): ReadonlyMap<OnnxNode, MaxMinPair> {
  const pairs = new Map<OnnxNode, MaxMinPair>();
  const open = new Map<string, OnnxNode>();
  for (const node of nodes) {
    if ((node.opType !== "Max" && node.opType !== "Min") || node.inputs.length !== 2) continue;
    if (!isKnownDomain(node)) continue;
    const values = JSON.stringify([...node.inputs].sort());
    const other = open.get(values);
    if (other === undefined || other.opType === node.opType) {
      open.set(values, node);
      continue;
    }
    open.delete(values);
    const [max, min] = node.opType === "Max" ? [node, other] : [other, node];
    const merged = {
      ...other,
      opType: "MaxMin",
      domain: INTERNAL_DOMAIN,
      outputs: [max.outputs[0], min.outputs[0]],
    };
    pairs.set(node, { first: other, merged });
    pairs.set(other, { first: other, merged });
  }
  return pairs;
}
