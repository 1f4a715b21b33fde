import type { TensorEntry } from "../formats/model.ts";
import type { OnnxGraph, OnnxNode } from "../formats/onnx/types.ts";

/** The integer attribute `name`, or undefined when it is missing or of another kind. */
export function intAttribute(node: OnnxNode, name: string): number | undefined {
  const attribute = node.attributes.get(name);
  return attribute?.kind === "int" ? attribute.value : undefined;
}

/** The float attribute `name`, or undefined when it is missing or of another kind. */
export function floatAttribute(node: OnnxNode, name: string): number | undefined {
  const attribute = node.attributes.get(name);
  return attribute?.kind === "float" ? attribute.value : undefined;
}

/** The string attribute `name`, or undefined when it is missing or of another kind. */
export function stringAttribute(node: OnnxNode, name: string): string | undefined {
  const attribute = node.attributes.get(name);
  return attribute?.kind === "string" ? attribute.value : undefined;
}

/** The string-list attribute `name`, or undefined when it is missing or of another kind. */
export function stringsAttribute(node: OnnxNode, name: string): readonly string[] | undefined {
  const attribute = node.attributes.get(name);
  return attribute?.kind === "strings" ? attribute.value : undefined;
}

/** The integer-list attribute `name`, or undefined when it is missing or of another kind. */
export function intsAttribute(node: OnnxNode, name: string): readonly number[] | undefined {
  const attribute = node.attributes.get(name);
  return attribute?.kind === "ints" ? attribute.value : undefined;
}

/** The float-list attribute `name`, or undefined when it is missing or of another kind. */
export function floatsAttribute(node: OnnxNode, name: string): readonly number[] | undefined {
  const attribute = node.attributes.get(name);
  return attribute?.kind === "floats" ? attribute.value : undefined;
}

/** The tensor attribute `name`, or undefined when it is missing or of another kind. */
export function tensorAttribute(node: OnnxNode, name: string): TensorEntry | undefined {
  const attribute = node.attributes.get(name);
  return attribute?.kind === "tensor" ? attribute.value : undefined;
}

/** The graph attribute `name`, or undefined when it is missing or of another kind. */
export function graphAttribute(node: OnnxNode, name: string): OnnxGraph | undefined {
  const attribute = node.attributes.get(name);
  return attribute?.kind === "graph" ? attribute.value : undefined;
}

/** Every subgraph of a node with the attribute that holds it ("then_branch", "body", …). */
export function subgraphsOf(
  node: OnnxNode,
): readonly { readonly label: string; readonly graph: OnnxGraph }[] {
  const found: { label: string; graph: OnnxGraph }[] = [];
  for (const [label, attribute] of node.attributes) {
    if (attribute.kind === "graph") found.push({ label, graph: attribute.value });
    if (attribute.kind === "graphs") {
      attribute.value.forEach((graph, i) => void found.push({ label: `${label}[${i}]`, graph }));
    }
  }
  return found;
}
