import { openModel } from "../../formats/open.ts";
import { bound } from "../../network/bound.ts";
import { importOnnx } from "../../network/import-onnx.ts";
import { OnnxGraph } from "../export/graph.ts";
import type { PlainTree } from "../graph-builder.ts";
import type { Module } from "../module.ts";
import type { Shape } from "../types.ts";

/** The proved upper bound that the audit's rule table gives the nodes a module emits; null where it knows none. */
export async function audited(
  module: Module,
  inputShape: Shape,
  { params = {}, state = {} }: { readonly params?: PlainTree; readonly state?: PlainTree } = {},
): Promise<number | null> {
  const graph = new OnnxGraph(inputShape);
  const output = module.emit(graph, graph.input, { params, state, path: "" });
  const model = await openModel(graph.encode(output), { name: "layer.onnx" });
  try {
    const network = await importOnnx(model, { inputs: { [graph.input.name]: [1, ...inputShape] } });
    return (await bound(network, { guarantee: "proof" })).upper;
  } finally {
    await model.close();
  }
}
