import { isFloatType } from "../formats/dtype.ts";
import type { OnnxGraph, OnnxNode } from "../formats/onnx/types.ts";
import { subgraphsOf } from "./attributes.ts";
import { constantOf, givesSeveral, joinOf, SEVERAL } from "./constant-of.ts";
import { effectiveNodes } from "./live-nodes.ts";
import { maxMinPairs } from "./max-min.ts";
import { ruleOf } from "./operators/table.ts";
import { type Scope, valuesRead } from "./scope.ts";
import { knownContents } from "./shapes/value.ts";
import type { GraphNode, GraphPlan, WeightUse } from "./use.ts";
import { weightSteps } from "./weight-steps.ts";

/** Names of one graph that carry signals, by the key each value has in the plan. */
interface Frame {
  readonly scope: Scope;
  readonly parent: Frame | null;
  /** Names this graph defines itself; the others belong to the graphs around it. */
  readonly own: ReadonlySet<string>;
  /** The key of each name that depends on the network's input. */
  readonly keys: Map<string, string>;
}

/**
 * How the values of a model depend on its float inputs, node by node, with the steepness of each node or the reason
 * why it has none. Branches of an If stand beside each other. Inputs of other types are held fixed: a bound holds for
 * each of their values. A model without float inputs is seen from the inputs it has.
 */
export async function graphPlan(
  scope: Scope,
  opset: number,
  uses: ReadonlyMap<OnnxNode, readonly WeightUse[]>,
): Promise<GraphPlan> {
  const { inputs, outputs } = scope.graph;
  const real = inputs.filter((info) => isFloatType(scope.value(info.name).dtype));
  const sources = real.length > 0 ? real : inputs;
  const planner = new Planner(opset, uses);
  const root = frameOf(scope, null);
  for (const { name } of sources) root.keys.set(name, name);
  await planner.walk(root);
  return {
    inputs: sources.map((info) => info.name),
    outputs: outputs.flatMap(({ name }) => {
      const key = keyOf(root, name);
      return key === undefined ? [] : [key];
    }),
    nodes: planner.nodes,
  };
}

function frameOf(scope: Scope, parent: Frame | null): Frame {
  const { inputs, initializers, nodes } = scope.graph;
  const own = new Set([
    ...inputs.map((i) => i.name),
    ...initializers.keys(),
    ...nodes.flatMap((n) => n.outputs),
  ]);
  return { scope, parent, own, keys: new Map() };
}

function keyOf(frame: Frame, name: string): string | undefined {
  if (frame.own.has(name)) return frame.keys.get(name);
  return frame.parent === null ? undefined : keyOf(frame.parent, name);
}

class Planner {
  readonly nodes: GraphNode[] = [];
  readonly #opset: number;
  readonly #uses: ReadonlyMap<OnnxNode, readonly WeightUse[]>;

  constructor(opset: number, uses: ReadonlyMap<OnnxNode, readonly WeightUse[]>) {
    this.#opset = opset;
    this.#uses = uses;
  }

  async walk(frame: Frame): Promise<void> {
    const live = effectiveNodes(frame.scope);
    const pairs = maxMinPairs(live);
    for (const node of live) {
      const pair = pairs.get(node);
      const paired = pair?.merged.inputs.every((name) => keyOf(frame, name) !== undefined) ?? false;
      if (pair === undefined || !paired) await this.#visit(frame, node);
      else if (node === pair.first) await this.#visit(frame, pair.merged);
    }
  }

  async #visit(frame: Frame, node: OnnxNode): Promise<void> {
    if (node.opType === "Shape" || node.opType === "Size") return;
    const { scope } = frame;
    const takes = valuesRead(node).flatMap((name) => keyOf(frame, name) ?? []);
    if (node.opType === "If" && keyOf(frame, node.inputs[0]) === undefined)
      return this.#branches(frame, node);
    if (takes.length === 0) return;
    const gives = node.outputs.filter((name) => name !== "");
    for (const name of gives) frame.keys.set(name, `${scope.prefix}${name}`);
    const found = await this.#steepness(frame, node);
    this.nodes.push({
      node: `${scope.prefix}${node.name}`,
      op: node.opType,
      source: node,
      takes,
      gives: gives.map((name) => `${scope.prefix}${name}`),
      ...found,
    });
  }

  async #steepness(
    frame: Frame,
    node: OnnxNode,
  ): Promise<Pick<GraphNode, "join" | "weights" | "steps" | "because" | "unbounded">> {
    const { scope } = frame;
    const signals = node.inputs.flatMap((name, i) =>
      name !== "" && keyOf(frame, name) !== undefined ? [i] : [],
    );
    const outputs = node.outputs.map((name) => scope.value(name));
    const alone = { join: "sum" as const, weights: [1], steps: [] };
    const unbounded = (why: string) => ({ ...alone, weights: valuesRead(node).map(() => 1), unbounded: why });
    if (subgraphsOf(node).length > 0) {
      const rule = ruleOf(node)?.constant;
      return unbounded(typeof rule === "string" ? rule : "no Lipschitz constant is known for this operator");
    }
    if (givesSeveral(node, scope)) return unbounded(SEVERAL);
    const uses = this.#uses.get(node);
    const place = { node, scope, opset: this.#opset };
    if (signals.length === 1) {
      const [at] = signals;
      const chain = { ...place, at, input: scope.value(node.inputs[at]), output: outputs[0] };
      const found = uses ? await weightSteps(chain, uses) : stepsOf(await constantOf(chain));
      return "unbounded" in found ? unbounded(found.unbounded) : { ...alone, steps: found.steps };
    }
    const inputs = node.inputs.map((name) => (name === "" ? undefined : scope.value(name)));
    const found = await joinOf({ ...place, signals, inputs, outputs });
    if ("unbounded" in found) return unbounded(found.unbounded);
    return { join: found.join, weights: found.constants, steps: [], because: found.because };
  }

  /** Which branch runs does not depend on the float inputs: the network is as steep as the steeper branch. */
  async #branches(frame: Frame, node: OnnxNode): Promise<void> {
    const condition = knownContents(frame.scope.value(node.inputs[0]))?.[0];
    const taken = condition === undefined ? null : condition ? "then_branch" : "else_branch";
    const inner: { frame: Frame; graph: OnnxGraph }[] = [];
    for (const { label, graph } of subgraphsOf(node)) {
      if (taken !== null && label !== taken) continue;
      const branch = frameOf(frame.scope.inside(node, label, graph), frame);
      await this.walk(branch);
      inner.push({ frame: branch, graph });
    }
    for (const [i, name] of node.outputs.entries()) {
      const takes = inner.flatMap((b) => keyOf(b.frame, b.graph.outputs[i]?.name ?? "") ?? []);
      if (name === "" || takes.length === 0) continue;
      const key = `${frame.scope.prefix}${name}`;
      frame.keys.set(name, key);
      this.nodes.push({
        node: `${frame.scope.prefix}${node.name}`,
        op: "If",
        source: node,
        takes,
        gives: [key],
        join: "either",
        weights: takes.map(() => 1),
        steps: [],
        because: taken === null ? "the steeper of its branches" : `its ${taken.replace("_", " ")} is taken`,
      });
    }
  }
}

function stepsOf(
  found: Awaited<ReturnType<typeof constantOf>>,
): { readonly steps: GraphNode["steps"] } | { readonly unbounded: string } {
  if ("unbounded" in found) return found;
  return { steps: [{ factor: { constant: found.constant }, because: found.because }] };
}
