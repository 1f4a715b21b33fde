import type { Model } from "../../formats/model.ts";
import type { Sensitivity } from "../operators/operation.ts";
import { planFromOnnx } from "../plan-from-onnx.ts";
import { propagate } from "../propagate.ts";
import { normOfUse } from "./linear.ts";

/** How steep a small model is in each of its inputs, by the rules; null where it has no finite bound. */
export async function constantsOf(model: Model): Promise<Sensitivity | null> {
  const { graph, uses } = await planFromOnnx(model);
  if (graph === null) return null;
  const norms = new Map<(typeof uses)[number], number>();
  for (const use of uses) norms.set(use, (await normOfUse(use)) * (1 + 1e-12));
  const { output, upper } = propagate(graph, (use) => norms.get(use));
  if (upper === null) return null;
  return { constants: graph.inputs.map((name) => output.get(name)?.steepness ?? 0), join: "sum" };
}
