import { encodeModel, type NodeDescription } from "../formats/onnx/encode.ts";
import { type Graph, type Node, topological } from "./graph.ts";
import { CONTRACTION } from "./lower/contraction.ts";
import { CONVERSIONS } from "./lower/conversions.ts";
import { CONVOLUTION } from "./lower/convolution.ts";
import { DIVISION } from "./lower/division.ts";
import { ELEMENTWISE } from "./lower/elementwise.ts";
import { RUNTIME_DOMAIN } from "./lower/emitter.ts";
import { ERFC } from "./lower/erfc.ts";
import { FUSED } from "./lower/fused.ts";
import { INDEXING } from "./lower/indexing.ts";
import { type Lower, Lowering, type Lowerings } from "./lower/lowering.ts";
import { RANDOM } from "./lower/random-bits.ts";
import { REDUCTION } from "./lower/reduction.ts";
import { SORTING } from "./lower/sorting.ts";
import { VIEWS } from "./lower/views.ts";
import type { LoweredFunction, NamedLeaf } from "./lowered.ts";
import { simplify } from "./simplify/simplify.ts";
import type { TracedFunction } from "./trace.ts";
import { UnsupportedPrimitiveError } from "./unsupported.ts";

export { UnsupportedPrimitiveError } from "./unsupported.ts";

const input: Lower<"input"> = (_, { parameters: { index } }) => inputName(index);

const opaque: Lower<"opaque"> = (_, { parameters: { primitive }, inputs }) => {
  throw new UnsupportedPrimitiveError(primitive, inputs);
};

const LOWERINGS: Lowerings = {
  input,
  opaque,
  ...ELEMENTWISE,
  ...FUSED,
  ...ERFC,
  ...CONVERSIONS,
  ...DIVISION,
  ...VIEWS,
  ...REDUCTION,
  ...CONTRACTION,
  ...CONVOLUTION,
  ...INDEXING,
  ...SORTING,
  ...RANDOM,
};

/** Operator sets: the newest that all of onnxruntime 1.20 to 1.30 know, and the one that has BitCast. */
const OPSET = 21;
const BITCAST_OPSET = 26;
const IR_VERSION = 10;

const inputName = (index: number) => `in${index}`;
const outputName = (index: number) => `out${index}`;

/**
 * A traced function as an ONNX model.
 * @throws UnsupportedPrimitiveError for a primitive that onnxruntime has no equivalent of.
 */
export function lower(traced: TracedFunction): LoweredFunction {
  const graph = simplify(traced.graph);
  const lowering = new Lowering(graph);
  const used = new Set<number>();
  for (const node of topological(graph.outputs)) {
    if (node.op === "input") used.add(node.parameters.index);
    lowering.setName(node, lowered(lowering, node));
  }
  const inputs = traced.inputs.map(
    (leaf, i): NamedLeaf => ({ ...leaf, name: used.has(i) ? inputName(i) : "" }),
  );
  const outputs = traced.outputs.map((leaf, i): NamedLeaf => ({ ...leaf, name: outputName(i) }));
  const nodes = withOutputs(lowering, graph);
  const bytes = encodeModel({
    opset: operatorSets(nodes),
    irVersion: IR_VERSION,
    graph: {
      nodes,
      initializers: usedInitializers(lowering, nodes),
      inputs: inputs.filter(({ name }) => name !== ""),
      outputs,
    },
  });
  return { bytes, inputs, outputs };
}

function operatorSets(nodes: readonly NodeDescription[]): Record<string, number> {
  const version = nodes.some(({ opType }) => opType === "BitCast") ? BITCAST_OPSET : OPSET;
  const own = nodes.some(({ domain }) => domain === RUNTIME_DOMAIN);
  return { "": version, ...(own ? { [RUNTIME_DOMAIN]: 1 } : {}) };
}

function lowered(lowering: Lowering, node: Node): string {
  const rule = LOWERINGS[node.op] as Lower<never> | undefined;
  if (rule === undefined) throw new UnsupportedPrimitiveError(node.op, node.inputs);
  return rule(lowering, node as never);
}

/** The nodes that the results need, with the results under the outputs' names. */
function withOutputs(lowering: Lowering, graph: Graph): NodeDescription[] {
  const made = new Set(lowering.emitter.nodes.flatMap(({ outputs }) => outputs));
  const renamed = new Map<string, string>();
  const copies: NodeDescription[] = [];
  for (const [i, node] of graph.outputs.entries()) {
    const name = lowering.name(node);
    if (made.has(name) && !renamed.has(name)) renamed.set(name, outputName(i));
    else copies.push({ opType: "Identity", inputs: [renamed.get(name) ?? name], outputs: [outputName(i)] });
  }
  const rename = (names: readonly string[]) => names.map((name) => renamed.get(name) ?? name);
  const nodes = lowering.emitter.nodes.map((node) => ({
    ...node,
    inputs: rename(node.inputs),
    outputs: rename(node.outputs),
  }));
  return needed([...nodes, ...copies], graph.outputs.length);
}

function needed(nodes: readonly NodeDescription[], outputs: number): NodeDescription[] {
  const names = new Set(Array.from({ length: outputs }, (_, i) => outputName(i)));
  const kept: NodeDescription[] = [];
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some((name) => names.has(name))) continue;
    kept.push(node);
    for (const name of node.inputs) names.add(name);
  }
  return kept.reverse();
}

function usedInitializers(lowering: Lowering, nodes: readonly NodeDescription[]) {
  const names = new Set(nodes.flatMap(({ inputs }) => inputs));
  return lowering.emitter.initializers.filter(({ name }) => names.has(name));
}
