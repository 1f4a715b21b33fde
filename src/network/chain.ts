import type { OnnxNode } from "../formats/onnx/types.ts";
import { sqrtUp } from "../linalg/rounding.ts";
import { stringAttribute } from "./attributes.ts";
import { broadcastCopies } from "./constants/affine.ts";
import type { ChainNode } from "./constants/rule.ts";
import { constantOf } from "./constants/table.ts";
import { fusedActivation } from "./fused-activation.ts";
import { type Scope, valuesRead } from "./scope.ts";
import type { ChainStep, WeightPlan, WeightUse } from "./use.ts";
import { einsumRoles } from "./weights/matrix.ts";

type Chain = Pick<WeightPlan, "chain" | "unbounded" | "branching">;

/** A node on the way from the input to the output, and the value it goes on with. */
interface Link {
  readonly node: OnnxNode;
  readonly from: string;
  readonly to: string;
}

/** What the graph's output is computed from, leaving out nodes whose results nobody uses. */
class LiveGraph {
  readonly #scope: Scope;
  /** Live nodes that read a value depending on the network's input, by the value's name. */
  readonly readers = new Map<string, OnnxNode[]>();
  readonly live: readonly OnnxNode[];

  constructor(scope: Scope) {
    this.#scope = scope;
    const needed = new Set(scope.graph.outputs.map((o) => o.name));
    const live: OnnxNode[] = [];
    for (const node of [...scope.graph.nodes].reverse()) {
      if (!node.outputs.some((name) => needed.has(name)) || scope.isConstantNode(node)) continue;
      live.push(node);
      for (const name of valuesRead(node)) needed.add(name);
    }
    this.live = live.reverse();
    for (const node of this.live) {
      for (const name of new Set(this.signals(node))) {
        const known = this.readers.get(name);
        if (known === undefined) this.readers.set(name, [node]);
        else known.push(node);
      }
    }
  }

  /** Values a node reads that depend on the network's input, repeats included. */
  signals(node: OnnxNode): readonly string[] {
    return valuesRead(node).filter((name) => !this.#scope.isConstant(name));
  }
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(", ");
}

/** The links from the only input to the only output, or why the graph is no chain. */
function linksOf(scope: Scope): readonly Link[] | string {
  const { inputs, outputs } = scope.graph;
  if (inputs.length !== 1)
    return `the graph has ${inputs.length} inputs (${quoted(inputs.map((i) => i.name))})`;
  if (outputs.length !== 1)
    return `the graph has ${outputs.length} outputs (${quoted(outputs.map((o) => o.name))})`;
  const graph = new LiveGraph(scope);
  const links: Link[] = [];
  let value = inputs[0].name;
  while (value !== outputs[0].name) {
    const readers = graph.readers.get(value) ?? [];
    if (readers.length > 1) return `value "${value}" goes to ${quoted(readers.map((n) => n.name))}`;
    if (readers.length === 0) return "the output does not depend on the input";
    const [node] = readers;
    if (graph.signals(node).length !== 1) return `${node.opType} "${node.name}" joins several values`;
    const next = node.outputs.filter((name) => name === outputs[0].name || graph.readers.has(name));
    if (next.length !== 1) return `${node.opType} "${node.name}" gives several values that are used`;
    links.push({ node, from: value, to: next[0] });
    value = next[0];
    if (links.length > graph.live.length) return "the graph has a cycle";
  }
  if (graph.readers.has(value)) return `the output "${value}" is also used inside the graph`;
  return links;
}

/** Copies that a matrix product makes of its input by broadcasting it against a batch of matrices; null if unknown. */
function productCopies({ node, scope, input, at }: ChainNode): number | null {
  const constant = scope.value(node.inputs[1 - at] ?? "").shape;
  if (node.opType === "Einsum") {
    const roles = einsumRoles(stringAttribute(node, "equation") ?? "", 1 - at);
    if (roles === null || constant === null || input.shape?.length !== roles.other.length) return null;
    const agree = [...roles.labels].every((label, i) => {
      const axis = roles.other.indexOf(label);
      return axis < 0 || (constant[i] !== null && constant[i] === input.shape![axis]);
    });
    return agree ? 1 : null;
  }
  return broadcastCopies(input.shape?.slice(0, -2) ?? null, constant?.slice(0, -2) ?? null);
}

const PRODUCTS: ReadonlySet<string> = new Set(["MatMul", "FusedMatMul", "Einsum"]);
const LAYERS: ReadonlySet<string> = new Set(["conv", "conv-transpose", "dense"]);

type Step = ChainStep | { readonly unbounded: string };

async function weightSteps(chain: ChainNode, use: WeightUse): Promise<readonly Step[]> {
  const { node } = chain;
  const place = { node: node.name, op: node.opType };
  if (use.operator === "embedding")
    return [{ unbounded: "it looks rows up by number, which is not continuous" }];
  if (!LAYERS.has(use.operator)) return [await constantOf(chain).then(stepOf(place))];
  if (use.layout.kind === "convolution" && chain.at !== 0)
    return [{ unbounded: "its bias depends on the input" }];
  if (node.opType === "Attention") return [{ unbounded: "dot-product attention has no finite constant" }];
  const steps: Step[] = [
    { ...place, factor: { use }, because: `norm of ${use.operator} weight ${use.weight.name}` },
  ];
  const copies = PRODUCTS.has(node.opType) ? productCopies(chain) : 1;
  if (copies === null) return [{ unbounded: "how its input is broadcast against the weight is unknown" }];
  if (copies > 1) {
    const because = `its input is copied to ${copies} matrices`;
    steps.push({ ...place, factor: { constant: sqrtUp(copies) }, because });
  }
  const activation = fusedActivation(node);
  if (activation !== undefined) {
    steps.push(stepOf(place)(await constantOf({ ...chain, node: activation, at: 0 })));
  }
  return steps;
}

function stepOf(place: Pick<ChainStep, "node" | "op">) {
  return (found: Awaited<ReturnType<typeof constantOf>>): Step =>
    "unbounded" in found ? found : { ...place, factor: { constant: found.constant }, because: found.because };
}

/**
 * The main graph as a pure chain: from its one input to its one output every node takes one value that depends on
 * the input, and every such value goes to one node. Constants and shape arithmetic do not count.
 */
export async function chainOf(
  scope: Scope,
  opset: number,
  uses: ReadonlyMap<OnnxNode, WeightUse>,
): Promise<Chain> {
  const links = linksOf(scope);
  if (typeof links === "string") return { chain: null, unbounded: [], branching: links };
  const steps: ChainStep[] = [];
  const open: { node: string; op: string; because: string }[] = [];
  for (const { node, from, to } of links) {
    const at = node.inputs.indexOf(from);
    const chain = { node, scope, opset, at, input: scope.value(from), output: scope.value(to) };
    const place = { node: node.name, op: node.opType };
    const use = uses.get(node);
    const found = use ? await weightSteps(chain, use) : [stepOf(place)(await constantOf(chain))];
    for (const step of found) {
      if ("unbounded" in step) open.push({ ...place, because: step.unbounded });
      else steps.push(step);
    }
  }
  return { chain: open.length === 0 ? steps : null, unbounded: open };
}
