import type { Model, TensorEntry } from "../formats/model.ts";
import type { OnnxNode } from "../formats/onnx/types.ts";
import { sourceTensors, storedTensor } from "./derived.ts";
import { graphPlan } from "./graph-plan.ts";
import { hasDynamicBatch, type InputShapes } from "./input-shapes.ts";
import { leftover, readersOf } from "./leftovers.ts";
import { Scope, type Site, sitesOf } from "./scope.ts";
import { inferShapes, opsetOf } from "./shapes/infer.ts";
import type { SkippedTensor, WeightPlan, WeightUse } from "./use.ts";
import { weightsOf } from "./weights/table.ts";

export interface OnnxPlanOptions {
  /** Sizes of inputs that the file leaves open, by input name; "" for the only input of a model. */
  readonly inputs?: InputShapes;
}

interface Located {
  readonly node: OnnxNode;
  readonly use: WeightUse;
}

/** Names made unique: with the weight's name where a node has several, then with a number. */
function uniquelyNamed(found: readonly Located[]): readonly Located[] {
  const repeated = (names: readonly string[]) => {
    const seen = new Map<string, number>();
    for (const name of names) seen.set(name, (seen.get(name) ?? 0) + 1);
    return (name: string) => seen.get(name)! > 1;
  };
  const shared = repeated(found.map(({ use }) => use.name));
  const longer = found.map(({ use }) => (shared(use.name) ? `${use.name}/${use.weight.name}` : use.name));
  const taken = new Set<string>();
  const counts = new Map<string, number>();
  return found.map(({ node, use }, i) => {
    let name = longer[i];
    while (taken.has(name)) {
      const k = (counts.get(longer[i]) ?? 1) + 1;
      counts.set(longer[i], k);
      name = `${longer[i]}#${k}`;
    }
    taken.add(name);
    return { node, use: { ...use, name } };
  });
}

/** The reason to skip each tensor, a warning before a plain remark. */
function skippedTensors(all: readonly SkippedTensor[]): Map<TensorEntry, SkippedTensor> {
  const kept = new Map<TensorEntry, SkippedTensor>();
  for (const skipped of all) {
    if (!(kept.get(skipped.tensor)?.warn ?? false)) kept.set(skipped.tensor, skipped);
  }
  return kept;
}

/** A weight that is audited in one place and cannot be in another says so where it is. */
function withOtherUse(use: WeightUse, skipped: SkippedTensor | undefined): WeightUse {
  return skipped === undefined
    ? use
    : { ...use, problems: [...use.problems, `not audited elsewhere: ${skipped.because}`] };
}

function usesByNode(located: readonly Located[]): ReadonlyMap<OnnxNode, readonly WeightUse[]> {
  const uses = new Map<OnnxNode, WeightUse[]>();
  for (const { node, use } of located) {
    const known = uses.get(node);
    if (known === undefined) uses.set(node, [use]);
    else known.push(use);
  }
  return uses;
}

/** Tensors that a weight is computed from besides the one it is named after. */
function partsOfWeights(uses: readonly WeightUse[]): Map<TensorEntry, SkippedTensor> {
  return new Map(
    uses.flatMap(({ name, weight }) => {
      const because = `one of the tensors that the weight of ${name} is computed from`;
      return sourceTensors(weight)
        .filter((tensor) => tensor !== storedTensor(weight))
        .map((tensor) => [tensor, { tensor, because, warn: false }] as const);
    }),
  );
}

/**
 * Every use of a stored weight as a linear operator in an ONNX model, the rest of its tensors with the reason why
 * they are none, and the network's graph. Reads only small tensors.
 * @throws InputShapeError when `inputs` contradicts the file.
 * @throws TypeError when the model has no ONNX graph.
 */
export async function planFromOnnx(model: Model, options: OnnxPlanOptions = {}): Promise<WeightPlan> {
  if (model.onnx === undefined) throw new TypeError(`planFromOnnx needs an ONNX model, got ${model.format}`);
  const { inputs } = options;
  const shapes = await inferShapes(model.onnx, inputs);
  const assumed = model.onnx.graph.inputs.some(hasDynamicBatch);
  const root = new Scope(model.onnx.graph, shapes, assumed ? await inferShapes(model.onnx, inputs, 2) : null);
  const sites: readonly Site[] = [...sitesOf(root)];
  const found: Located[] = [];
  const refused: SkippedTensor[] = [];
  for (const site of sites) {
    for (const finding of weightsOf(site)) {
      if ("use" in finding) found.push({ node: site.node, use: finding.use });
      else refused.push(finding.skipped);
    }
  }
  const skipped = skippedTensors(refused);
  const located = uniquelyNamed(
    found.map(({ node, use }) => ({ node, use: withOtherUse(use, skipped.get(storedTensor(use.weight))) })),
  );
  const used = new Set(located.map(({ use }) => storedTensor(use.weight)));
  const readers = readersOf(sites);
  const parts = partsOfWeights(located.map(({ use }) => use));
  return {
    uses: located.map(({ use }) => use),
    skipped: model.tensors
      .filter((tensor) => !used.has(tensor))
      .map((tensor) => skipped.get(tensor) ?? parts.get(tensor) ?? leftover(tensor, readers)),
    graph: await graphPlan(root, opsetOf(model.onnx), usesByNode(located)),
  };
}
