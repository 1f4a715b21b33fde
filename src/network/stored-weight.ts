import { isFloatType } from "../formats/dtype.ts";
import type { TensorEntry } from "../formats/model.ts";
import type { OnnxNode } from "../formats/onnx/types.ts";
import { intsAttribute } from "./attributes.ts";
import { reorderedSource } from "./reordered.ts";
import type { Scope, Site } from "./scope.ts";
import { isKnown, sameShape } from "./shapes/value.ts";
import { reshapedView, type StridedView, storedView, transposedView } from "./strided-view.ts";

/** A stored tensor as a node sees it. */
export interface StoredWeight {
  readonly tensor: TensorEntry;
  readonly view: StridedView;
  /**
   * The shape of the matrix at a point where its rows (or columns) were put in another order, which the view does
   * not show because it changes no singular value: exporters reorder the gates of recurrent layers so.
   */
  readonly reordered?: readonly number[];
  /** What lies between the file and the node that a user should know. */
  readonly notes: readonly string[];
}

/** Tensors that end in a weight only after arithmetic, and the operator in the way. */
export interface ComputedWeight {
  readonly tensors: readonly TensorEntry[];
  readonly because: string;
}

/** Constant nodes followed from a weight back to its tensor; real exporters stack two or three. */
const MAX_STEPS = 64;

/** Tensors searched behind one computed weight. */
const MAX_SOURCES = 256;

const RESHAPES: ReadonlySet<string> = new Set(["Reshape", "Squeeze", "Unsqueeze", "Flatten"]);

function castNote(tensor: TensorEntry, dtype: string): readonly string[] {
  const bits = (name: string) => Number(/\d+/.exec(name)?.[0] ?? 0);
  const widening = dtype === tensor.dtype || bits(dtype) > bits(tensor.dtype);
  return widening
    ? []
    : [`stored as ${tensor.dtype}, rounded to ${dtype} when run; the bound is for the stored numbers`];
}

/** The view after one constant node, or null when the node does more than move elements. */
function through(node: OnnxNode, scope: Scope, weight: StoredWeight): StoredWeight | null {
  if (node.opType === "Identity") return weight;
  const output = scope.value(node.outputs[0]);
  if (node.opType === "Cast") {
    const floats = isFloatType(weight.tensor.dtype) && isFloatType(output.dtype);
    return floats ? { ...weight, notes: [...weight.notes, ...castNote(weight.tensor, output.dtype)] } : null;
  }
  if (node.opType === "Concat") {
    const matrix = weight.view.shape.length === 2 && sameShape(weight.view.shape, output.shape);
    return matrix ? { ...weight, reordered: weight.view.shape } : null;
  }
  let view: StridedView | null = null;
  if (node.opType === "Transpose") {
    const rank = weight.view.shape.length;
    const reversed = Array.from({ length: rank }, (_, i) => rank - 1 - i);
    view = transposedView(weight.view, intsAttribute(node, "perm") ?? reversed);
  } else if (RESHAPES.has(node.opType) && isKnown(output.shape)) {
    view = reshapedView(weight.view, output.shape);
  }
  return view && { ...weight, view };
}

/** Stored tensors that a constant value is computed from. */
function sourcesOf(scope: Scope, name: string): readonly TensorEntry[] {
  const found = new Set<TensorEntry>();
  const seen = new Set<string>();
  const queue: { scope: Scope; name: string }[] = [{ scope, name }];
  for (let at = queue.pop(); at !== undefined && seen.size < MAX_SOURCES; at = queue.pop()) {
    if (seen.has(at.name)) continue;
    seen.add(at.name);
    const tensor = at.scope.tensor(at.name);
    if (tensor !== undefined) found.add(tensor);
    const site = at.scope.producer(at.name);
    if (site === undefined) continue;
    for (const input of site.node.inputs) queue.push({ scope: site.scope, name: input });
  }
  return [...found].filter((t) => t.shape.length >= 2);
}

/**
 * The stored tensor behind a constant value, followed through Identity, Cast, Transpose, Reshape, Squeeze, Unsqueeze,
 * Flatten and a reordering of rows; the tensors it is computed from where other operators stand between.
 */
export function storedWeight(scope: Scope, name: string): StoredWeight | ComputedWeight {
  const path: Site[] = [];
  let place = scope;
  let current = name;
  let tensor = place.tensor(current);
  while (tensor === undefined && path.length < MAX_STEPS) {
    const site = place.producer(current);
    if (site === undefined) return { tensors: [], because: "is not stored in the file" };
    path.push(site);
    place = site.scope;
    current = reorderedSource(site) ?? site.node.inputs[0] ?? "";
    tensor = place.tensor(current);
  }
  if (tensor === undefined)
    return { tensors: sourcesOf(scope, name), because: "is computed from other constants" };
  let weight: StoredWeight | null = { tensor, view: storedView(tensor.shape), notes: [] };
  for (const { node, scope: at } of path.reverse()) {
    weight =
      node.opType === "Concat" && reorderedSource({ node, scope: at }) === undefined
        ? null
        : through(node, at, weight);
    if (weight === null) {
      const because = `goes through ${node.opType} "${node.name}" before it is used as a weight`;
      return { tensors: sourcesOf(scope, name), because };
    }
  }
  return weight;
}
