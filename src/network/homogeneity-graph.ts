import type { Model } from "../formats/model.ts";
import type { OnnxGraph, OnnxNode } from "../formats/onnx/types.ts";
import { graphAttribute, subgraphsOf } from "./attributes.ts";
import type { InputShapes } from "./input-shapes.ts";
import { liveNodes } from "./live-nodes.ts";
import { Scope, valuesRead } from "./scope.ts";
import { inferShapes, opsetOf } from "./shapes/infer.ts";
import { knownContents } from "./shapes/value.ts";

/** A value as a node reads it: computed from the network's inputs, or a constant of the file. */
export type Operand =
  | { readonly kind: "signal"; readonly key: string }
  | { readonly kind: "constant"; readonly scope: Scope; readonly name: string };

/** One node between the network's inputs and outputs. */
export interface Step {
  /** With the path of the branches it stands in. */
  readonly name: string;
  readonly node: OnnxNode;
  readonly scope: Scope;
  /** What it reads, in order; of a node with subgraphs, what these read too. */
  readonly operands: readonly (Operand | undefined)[];
  /** Keys of what it gives; undefined for outputs left out. */
  readonly gives: readonly (string | undefined)[];
}

/** The live nodes of a model, each after what it reads, branches with a known condition taken. */
export interface SignalGraph {
  readonly opset: number;
  readonly inputs: readonly string[];
  readonly outputs: readonly { readonly name: string; readonly operand: Operand }[];
  readonly steps: readonly Step[];
}

interface Frame {
  readonly scope: Scope;
  readonly parent: Frame | null;
  readonly found: Map<string, Operand>;
}

/** How a node is called in messages: `Add "Add_6"`. */
export function labelOf({ node, name }: Step): string {
  return `${node.opType} "${name}"`;
}

/**
 * The graph of an ONNX model as its values flow.
 * @throws TypeError when the model has no ONNX graph; InputShapeError when `inputs` contradicts the file.
 */
export async function signalGraph(model: Model, inputs: InputShapes = {}): Promise<SignalGraph> {
  if (model.onnx === undefined) throw new TypeError(`signalGraph needs an ONNX model, got ${model.format}`);
  const { graph } = model.onnx;
  const scope = new Scope(graph, await inferShapes(model.onnx, inputs), null);
  const root: Frame = { scope, parent: null, found: new Map() };
  for (const { name } of graph.inputs) root.found.set(name, { kind: "signal", key: name });
  const steps: Step[] = [];
  flatten(root, steps);
  return {
    opset: opsetOf(model.onnx),
    inputs: graph.inputs.map(({ name }) => name),
    outputs: graph.outputs.map(({ name }) => ({ name, operand: operandOf(root, name) })),
    steps,
  };
}

function flatten(frame: Frame, steps: Step[]): void {
  const { scope } = frame;
  for (const node of liveNodes(scope.graph)) {
    if (scope.isConstantNode(node)) continue;
    const branch = takenBranch(frame, node);
    if (branch !== undefined) {
      enter(frame, node, branch, steps);
      continue;
    }
    const reads = subgraphsOf(node).length > 0 ? valuesRead(node) : node.inputs;
    const gives = node.outputs.map((name) => (name === "" ? undefined : `${scope.prefix}${name}`));
    steps.push({
      name: `${scope.prefix}${node.name}`,
      node,
      scope,
      operands: reads.map((name) => (name === "" ? undefined : operandOf(frame, name))),
      gives,
    });
    gives.forEach((key, i) => {
      if (key !== undefined) frame.found.set(node.outputs[i], { kind: "signal", key });
    });
  }
}

function operandOf(frame: Frame, name: string): Operand {
  for (let at: Frame | null = frame; at !== null; at = at.parent) {
    const found = at.found.get(name);
    if (found !== undefined) return found;
    if (at.scope.graph.initializers.has(name)) break;
  }
  return { kind: "constant", scope: frame.scope, name };
}

interface Branch {
  readonly label: string;
  readonly graph: OnnxGraph;
}

/** The branch of an If whose condition is known before the network runs. */
function takenBranch({ scope }: Frame, node: OnnxNode): Branch | undefined {
  if (node.opType !== "If") return undefined;
  const condition = knownContents(scope.value(node.inputs[0]))?.[0];
  if (condition === undefined) return undefined;
  const label = condition ? "then_branch" : "else_branch";
  const graph = graphAttribute(node, label);
  return graph && { label, graph };
}

/** The nodes of a taken branch; what the If gives is what the branch gives. */
function enter(frame: Frame, node: OnnxNode, { label, graph }: Branch, steps: Step[]): void {
  const inner: Frame = { scope: frame.scope.inside(node, label, graph), parent: frame, found: new Map() };
  flatten(inner, steps);
  node.outputs.forEach((name, i) => {
    const result = graph.outputs[i]?.name;
    if (name !== "" && result !== undefined) frame.found.set(name, operandOf(inner, result));
  });
}
