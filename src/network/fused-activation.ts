import type { OnnxAttribute, OnnxNode } from "../formats/onnx/types.ts";
import { floatAttribute, floatsAttribute, stringAttribute } from "./attributes.ts";

/** The activation that com.microsoft's fused convolutions and products apply afterwards, as a node of its own. */
export function fusedActivation(node: OnnxNode): OnnxNode | undefined {
  const opType = stringAttribute(node, "activation") ?? "";
  if (opType === "") return undefined;
  const alpha = floatAttribute(node, "activation_alpha") ?? floatsAttribute(node, "activation_params")?.[0];
  const attributes = new Map<string, OnnxAttribute>();
  if (alpha !== undefined) attributes.set("alpha", { kind: "float", value: alpha });
  return { name: node.name, opType, domain: "", inputs: [], outputs: node.outputs, attributes };
}
