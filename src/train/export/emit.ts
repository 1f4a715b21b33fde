import type { Module } from "../module.ts";
import type { Shape } from "../types.ts";
import type { Baked } from "./bake.ts";
import { type InputKind, OnnxGraph } from "./graph.ts";

/** A network as an ONNX file. */
export interface Emitted {
  readonly bytes: Uint8Array;
  readonly input: InputKind;
  /** The file's tensors by the weights' paths in the network. */
  readonly tensors: ReadonlyMap<string, string>;
}

/** The ONNX file of a network with baked weights, for batches of any size. */
export function emitOnnx(net: Module, baked: Baked, inputShape: Shape): Emitted {
  const { graph, output } = graphOf(net, baked, inputShape);
  return { bytes: graph.encode(output), input: graph.inputKind, tensors: graph.weights };
}

/** What a network takes, as its graph shows. */
export function inputKindOf(net: Module, baked: Baked, inputShape: Shape): InputKind {
  return graphOf(net, baked, inputShape).graph.inputKind;
}

function graphOf(net: Module, { values }: Baked, inputShape: Shape) {
  const graph = new OnnxGraph(inputShape);
  return { graph, output: net.emit(graph, graph.input, values) };
}
