import type { OnnxAttribute, OnnxNode } from "../formats/onnx/types.ts";
import { floatAttribute, floatsAttribute, stringAttribute } from "./attributes.ts";

/** The operator set whose attributes a fused activation has: later ones have some of them as inputs. */
export const FUSED_OPSET = 10;

/** What `activation_params` holds, in order, by activation; the others have `alpha` and `beta`. */
const PARAMETERS: Readonly<Record<string, readonly string[]>> = { Clip: ["min", "max"] };

/** The activation that com.microsoft's fused convolutions and products apply afterwards, as a node of its own. */
export function fusedActivation(node: OnnxNode): OnnxNode | undefined {
  const opType = stringAttribute(node, "activation") ?? "";
  if (opType === "") return undefined;
  const attributes = new Map<string, OnnxAttribute>();
  (PARAMETERS[opType] ?? ["alpha", "beta"]).forEach((name, i) => {
    const value =
      floatAttribute(node, `activation_${name}`) ?? floatsAttribute(node, "activation_params")?.[i];
    if (value !== undefined) attributes.set(name, { kind: "float", value });
  });
  return { name: node.name, opType, domain: "", inputs: [], outputs: node.outputs, attributes };
}
