import { isFloatType } from "../formats/dtype.ts";
import type { OnnxGraph, OnnxNode } from "../formats/onnx/types.ts";
import { subgraphsOf } from "./attributes.ts";
import { constantOf, givesSeveral, joinOf, SEVERAL } from "./constant-of.ts";
import { effectiveNodes } from "./live-nodes.ts";
import { maxMinPairs } from "./max-min.ts";
import { isKnownDomain } from "./operators/domain.ts";
import { ruleOf } from "./operators/table.ts";
import { type Scope, valuesRead } from "./scope.ts";
import { isKnown, knownContents } from "./shapes/value.ts";
import type { GraphNode, GraphPlan, WeightUse } from "./use.ts";
import { weightSteps } from "./weight-steps.ts";

/** Why the shape of a value that numbers give its sizes has no constant. */
const COUNTS = "how many entries there are depends on the numbers of the input, so it jumps";

const ALONE = { join: "sum" as const, weights: [1], steps: [] };

/** Operators whose results have as many entries as the numbers of an input say. */
const SHAPED_BY_FIRST: ReadonlySet<string> = new Set([
  "NonZero",
  "Compress",
  "Unique",
  "NonMaxSuppression",
  "Range",
  "ConstantOfShape",
]);

/** Operators with sizes, places or repeats among their further inputs. */
const SHAPED_BY_REST: ReadonlySet<string> = new Set([
  ...["Reshape", "Expand", "Tile", "Slice", "Pad", "Resize", "Upsample", "TopK", "OneHot", "Split"],
  ...["Squeeze", "Unsqueeze", "CenterCropPad", "Col2Im", "MaxUnpool", "AffineGrid", "Compress", "Range"],
]);

/** True where the sizes of a node's results may depend on the numbers of inputs that are signals. */
function shapedByNumbers(node: OnnxNode, isSignal: (name: string) => boolean): boolean {
  if (ruleOf(node) === undefined || subgraphsOf(node).length > 0) return true;
  const [first, ...rest] = node.inputs.map((name) => name !== "" && isSignal(name));
  return (
    (SHAPED_BY_FIRST.has(node.opType) && first) || (SHAPED_BY_REST.has(node.opType) && rest.includes(true))
  );
}

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
  const planner = new Planner(
    opset,
    uses,
    sources.map((info) => info.name),
  );
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
  /** Keys of values whose sizes may depend on the numbers of the network's input. */
  readonly #shapedByNumbers = new Set<string>();
  readonly #keys: Set<string>;

  constructor(opset: number, uses: ReadonlyMap<OnnxNode, readonly WeightUse[]>, inputs: readonly string[]) {
    this.#opset = opset;
    this.#uses = uses;
    this.#keys = new Set(inputs);
  }

  /** The path of a value is its key, unless another value's path reads the same. */
  #newKey(path: string): string {
    let key = path;
    while (this.#keys.has(key)) key += "′";
    this.#keys.add(key);
    return key;
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
    const { scope } = frame;
    const takes = valuesRead(node).flatMap((name) => keyOf(frame, name) ?? []);
    const asksShape = (node.opType === "Shape" || node.opType === "Size") && isKnownDomain(node);
    if (asksShape && !takes.some((key) => this.#shapedByNumbers.has(key))) return;
    if (node.opType === "If" && isKnownDomain(node) && keyOf(frame, node.inputs[0]) === undefined)
      return this.#branches(frame, node);
    if (takes.length === 0) return;
    const names = node.outputs.filter((name) => name !== "");
    const gives = names.map((name) => this.#newKey(`${scope.prefix}${name}`));
    const found = asksShape ? { ...ALONE, unbounded: COUNTS } : await this.#steepness(frame, node);
    const shaped = shapedByNumbers(node, (name) => keyOf(frame, name) !== undefined);
    names.forEach((name, i) => {
      const fixed = isKnown(scope.value(name).shape);
      if (!fixed && (shaped || takes.some((key) => this.#shapedByNumbers.has(key))))
        this.#shapedByNumbers.add(gives[i]);
      frame.keys.set(name, gives[i]);
    });
    this.nodes.push({
      node: `${scope.prefix}${node.name}`,
      op: node.opType,
      source: node,
      takes,
      gives,
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
    const unbounded = (why: string) => ({ ...ALONE, weights: valuesRead(node).map(() => 1), unbounded: why });
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
      return "unbounded" in found ? unbounded(found.unbounded) : { ...ALONE, steps: found.steps };
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
      const key = this.#newKey(`${frame.scope.prefix}${name}`);
      frame.keys.set(name, key);
      if (takes.some((taken) => this.#shapedByNumbers.has(taken))) this.#shapedByNumbers.add(key);
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
