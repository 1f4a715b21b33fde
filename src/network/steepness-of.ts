import type { OnnxNode } from "../formats/onnx/types.ts";
import { constantOf, givesSeveral, joinOf, SEVERAL } from "./constant-of.ts";
import type { NetworkNode } from "./network.ts";
import type { Scope } from "./scope.ts";

/** How steep a node is in its signals over all inputs, by its rule. */
export async function steepnessOf(
  node: OnnxNode,
  scope: Scope,
  opset: number,
  signals: readonly number[],
): Promise<NonNullable<NetworkNode["steepness"]>> {
  if (givesSeveral(node, scope)) return { unbounded: SEVERAL };
  const place = { node, scope, opset };
  const outputs = node.outputs.map((name) => scope.value(name));
  if (signals.length === 1) {
    const [at] = signals;
    const found = await constantOf({ ...place, at, input: scope.value(node.inputs[at]), output: outputs[0] });
    return "unbounded" in found ? found : { constants: [found.constant], join: "sum" };
  }
  const inputs = node.inputs.map((name) => (name === "" ? undefined : scope.value(name)));
  return joinOf({ ...place, signals, inputs, outputs });
}
