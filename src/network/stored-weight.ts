import { isFloatType } from "../formats/dtype.ts";
import type { TensorEntry } from "../formats/model.ts";
import type { OnnxNode } from "../formats/onnx/types.ts";
import { intsAttribute } from "./attributes.ts";
import { isDequantized } from "./dequantized.ts";
import { dequantizedWeight, dequantizeLinearPlace, ROUNDED } from "./dequantized-weight.ts";
import { storedTensor } from "./derived.ts";
import { reorderedSource } from "./reordered.ts";
import type { Scope, Site } from "./scope.ts";
import { isKnown, sameShape } from "./shapes/value.ts";
import { reshapedView, type StridedView, storedView, transposedView } from "./strided-view.ts";

/** A stored tensor as a node sees it. */
export interface StoredWeight {
  /** As stored, or computed from it. */
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
  /** Whether running the graph's operators gives its numbers; a quantisation that cannot be read is none of them. */
  readonly folds: boolean;
}

/** Constant nodes followed from a weight back to its tensor; real exporters stack two or three. */
const MAX_STEPS = 64;

/** Tensors searched behind one computed weight. */
const MAX_SOURCES = 256;

const BEFORE = "the bound is for the stored numbers";

/** Whose DequantizeLinear is meant; anyone else's may be something different. */
const DOMAINS: ReadonlySet<string> = new Set(["", "ai.onnx", "com.microsoft"]);

const RESHAPES: ReadonlySet<string> = new Set(["Reshape", "Squeeze", "Unsqueeze", "Flatten"]);

const bits = (dtype: string) => Number(/\d+/.exec(dtype)?.[0] ?? 0);

function castNote(tensor: TensorEntry, dtype: string): readonly string[] {
  if (isDequantized(tensor)) {
    // Exact products; the runtime rounds them to its own type anyway, which is float32 or what it was asked for.
    return bits(dtype) >= 32 ? [] : [`dequantised, then rounded to ${dtype} when run; ${BEFORE}`];
  }
  const widening = dtype === tensor.dtype || bits(dtype) > bits(tensor.dtype);
  return widening ? [] : [`stored as ${tensor.dtype}, rounded to ${dtype} when run; ${BEFORE}`];
}

function goesThrough(node: OnnxNode): string {
  return `goes through ${node.opType} "${node.name}" before it is used`;
}

/** The view after one constant node, or what that node does besides moving elements. */
function through(node: OnnxNode, scope: Scope, weight: StoredWeight): StoredWeight | string {
  if (node.opType === "Identity") return weight;
  const does = goesThrough(node);
  const output = scope.value(node.outputs[0]);
  if (node.opType === "DequantizeLinear" && DOMAINS.has(node.domain)) {
    const dequantized = dequantizeLinear(node, scope, weight);
    return typeof dequantized === "string"
      ? `at DequantizeLinear "${node.name}" ${dequantized}`
      : dequantized;
  }
  if (node.opType === "Cast") {
    const floats = isFloatType(weight.tensor.dtype) && isFloatType(output.dtype);
    return floats ? { ...weight, notes: [...weight.notes, ...castNote(weight.tensor, output.dtype)] } : does;
  }
  if (node.opType === "Concat") {
    const matrix = weight.view.shape.length === 2 && sameShape(weight.view.shape, output.shape);
    return matrix ? { ...weight, reordered: weight.view.shape } : does;
  }
  let view: StridedView | null = null;
  if (node.opType === "Transpose") {
    const rank = weight.view.shape.length;
    const reversed = Array.from({ length: rank }, (_, i) => rank - 1 - i);
    view = transposedView(weight.view, intsAttribute(node, "perm") ?? reversed);
  } else if (RESHAPES.has(node.opType) && isKnown(output.shape)) {
    view = reshapedView(weight.view, output.shape);
  }
  return view === null ? does : { ...weight, view };
}

function dequantizeLinear(node: OnnxNode, scope: Scope, weight: StoredWeight): StoredWeight | string {
  const [, scale, zero] = node.inputs;
  const place = dequantizeLinearPlace(node);
  return dequantizedWeight(weight, {
    scale: { found: storedConstant(scope, scale ?? ""), place },
    zero: zero ? { found: storedConstant(scope, zero), place } : undefined,
  });
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
    // Its scales and zero points are no weights.
    const inputs = site.node.opType === "DequantizeLinear" ? site.node.inputs.slice(0, 1) : site.node.inputs;
    for (const input of inputs) queue.push({ scope: site.scope, name: input });
  }
  return [...found].filter((t) => t.shape.length >= 2);
}

/** The nodes from a stored tensor to a constant value, last first; null when there is no such tensor. */
function pathTo(scope: Scope, name: string) {
  const path: Site[] = [];
  let place = scope;
  let current = name;
  let tensor = place.tensor(current);
  while (tensor === undefined && path.length < MAX_STEPS) {
    const site = place.producer(current);
    if (site === undefined) return null;
    path.push(site);
    place = site.scope;
    current = reorderedSource(site) ?? site.node.inputs[0] ?? "";
    tensor = place.tensor(current);
  }
  return { path, tensor };
}

function followed(
  scope: Scope,
  name: string,
  passes: (site: Site) => boolean,
): StoredWeight | ComputedWeight {
  const found = pathTo(scope, name);
  if (found === null) return { tensors: [], because: "is not stored in the file", folds: false };
  const { path, tensor } = found;
  const computed = (because: string, folds: boolean) => ({
    tensors: sourcesOf(scope, name),
    because,
    folds,
  });
  if (tensor === undefined) return computed("is computed from other constants", true);
  let weight: StoredWeight = { tensor, view: storedView(tensor.shape), notes: [] };
  for (const site of path.reverse()) {
    const { node } = site;
    const next = passes(site) ? through(node, site.scope, weight) : goesThrough(node);
    if (typeof next === "string") return computed(next, next === goesThrough(node));
    weight = next;
  }
  return weight;
}

/**
 * The stored tensor behind a constant value, followed through Identity, Cast, Transpose, Reshape, Squeeze, Unsqueeze,
 * Flatten, DequantizeLinear and a reordering of rows; the tensors it is computed from where other operators stand
 * between.
 * @param rounded also where dequantised numbers are rounded to float64, which a note then says.
 */
export function storedWeight(scope: Scope, name: string, rounded = false): StoredWeight | ComputedWeight {
  const weight = followed(
    scope,
    name,
    (site) => site.node.opType !== "Concat" || reorderedSource(site) !== undefined,
  );
  if (rounded || !("tensor" in weight) || !weight.notes.includes(ROUNDED)) return weight;
  return { tensors: [storedTensor(weight.tensor)], because: ROUNDED, folds: false };
}

/** The same without arithmetic on the way: scales and zero points, which no format quantises again. */
export function storedConstant(scope: Scope, name: string): StoredWeight | ComputedWeight {
  return followed(scope, name, ({ node }) => node.opType !== "Concat" && node.opType !== "DequantizeLinear");
}
