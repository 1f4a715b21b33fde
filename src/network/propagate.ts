import { joinedSteepness, rootOfSquares, times } from "./join.ts";
import type { GraphNode, GraphPlan, GraphStep, WeightUse } from "./use.ts";

/** How far a value moves per unit of each source: network inputs, and nodes whose own steepness is not bounded. */
export type Sensitivities = ReadonlyMap<string, Reach>;

/** How steep a value is as seen from one source. */
export interface Reach {
  /** ‖Δvalue‖ ≤ Σ over sources of steepness·‖Δsource‖; rounded up. */
  readonly steepness: number;
  /** Weight layers on the longest way from the source. */
  readonly layers: number;
}

/** A part of the network between two places without a bound (or the input, or the output). */
export interface Stretch {
  readonly from: string;
  readonly to: string;
  readonly layers: number;
  readonly upper: number;
}

/** One node, seen after what it reads. */
export interface NodeBound {
  readonly node: GraphNode;
  /** Of its results together; null at a node that starts anew. */
  readonly result: Sensitivities | null;
  /** Of what it takes, in order. */
  readonly taken: readonly Sensitivities[];
}

export interface Propagation {
  readonly nodes: readonly NodeBound[];
  /** Of all outputs together. */
  readonly output: Sensitivities;
  /** Lipschitz constant from all inputs together to all outputs together; null where something is not bounded. */
  readonly upper: number | null;
  /** Between unbounded nodes, longest first. */
  readonly stretches: readonly Stretch[];
}

/** The factor a use's weight contributes, or undefined where none is known. */
export type FactorOf = (use: WeightUse) => number | undefined;

/** The product of a node's steps, or undefined where a factor is missing. */
export function stepFactor(step: GraphStep, factorOf: FactorOf): number | undefined {
  return "constant" in step.factor ? step.factor.constant : factorOf(step.factor.use);
}

interface Value {
  readonly reach: Sensitivities;
  /** The node that gives it: its results are bounded together. */
  readonly giver: GraphNode | null;
}

type Joining = Pick<GraphNode, "join" | "weights" | "takes">;

function joined(node: Joining, values: readonly Value[], factor: number, layers: number): Sensitivities {
  const result = new Map<string, Reach>();
  for (const source of new Set(values.flatMap((v) => [...v.reach.keys()]))) {
    const longest = values.reduce((n, v) => Math.max(n, v.reach.get(source)?.layers ?? 0), 0);
    const terms = node.takes.map((value, i) => ({
      value,
      giver: values[i].giver ?? value,
      constant: node.weights[i],
      steepness: values[i].reach.get(source)?.steepness ?? 0,
    }));
    const steepness = times(factor, joinedSteepness(terms, node.join));
    result.set(source, { steepness, layers: longest + layers });
  }
  return result;
}

/**
 * Bounds every value of a graph from its inputs: products along chains, sums and roots of squares at joins. A node
 * without a finite constant, and a weight whose norm is not known, start anew.
 */
export function propagate(graph: GraphPlan, factorOf: FactorOf): Propagation {
  const values = new Map<string, Value>();
  for (const input of graph.inputs) {
    values.set(input, { reach: new Map([[input, { steepness: 1, layers: 0 }]]), giver: null });
  }
  const nodes: NodeBound[] = [];
  const stretches: Stretch[] = [];
  const end = (to: string, reach: Sensitivities) => {
    for (const [from, { steepness, layers }] of reach) {
      if (layers > 0 && Number.isFinite(steepness)) stretches.push({ from, to, layers, upper: steepness });
    }
  };
  for (const node of graph.nodes) {
    const taken = node.takes.map((key) => values.get(key)!);
    const factors = node.steps.map((step) => stepFactor(step, factorOf));
    const factor = factors.reduce<number | undefined>(
      (p, f) => (p === undefined || f === undefined ? undefined : times(p, f)),
      1,
    );
    const layers = node.steps.filter((step) => "use" in step.factor).length;
    const reach =
      node.unbounded !== undefined || factor === undefined ? null : joined(node, taken, factor, layers);
    const finite = reach !== null && [...reach.values()].every((r) => Number.isFinite(r.steepness));
    if (!finite) for (const { reach: before } of taken) end(node.node, before);
    const result = finite ? reach : new Map([[sourceName(node, graph), { steepness: 1, layers: 0 }]]);
    for (const key of node.gives) values.set(key, { reach: result, giver: node });
    nodes.push({ node, result: finite ? reach : null, taken: taken.map((v) => v.reach) });
  }
  const outputs = { join: "euclidean" as const, takes: graph.outputs, weights: graph.outputs.map(() => 1) };
  const output = joined(
    outputs,
    graph.outputs.map((key) => values.get(key)!),
    1,
    0,
  );
  const upper = upperOf(graph, output);
  if (upper === null) end("output", output);
  const longest = distinct(stretches).sort((a, b) => b.layers - a.layers || a.upper - b.upper);
  return { nodes, output, upper, stretches: longest };
}

/** A node as a source of change; nodes may be named as inputs are. */
function sourceName({ node }: GraphNode, { inputs }: GraphPlan): string {
  let name = node;
  while (inputs.includes(name)) name = `node ${name}`;
  return name;
}

/** ‖(s₁, s₂, …)‖ over the network's inputs; null where a value also depends on a node without a bound. */
export function upperOf(graph: GraphPlan, reach: Sensitivities): number | null {
  const inputs = new Set(graph.inputs);
  if (![...reach.keys()].every((source) => inputs.has(source))) return null;
  const upper = rootOfSquares([...reach.values()].map((r) => r.steepness));
  return Number.isFinite(upper) ? upper : null;
}

function distinct(stretches: readonly Stretch[]): Stretch[] {
  const seen = new Map<string, Stretch>();
  for (const s of stretches) {
    const key = JSON.stringify([s.from, s.to]);
    const known = seen.get(key);
    if (known === undefined || s.upper > known.upper) seen.set(key, s);
  }
  return [...seen.values()];
}
