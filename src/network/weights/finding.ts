import { isFloatType } from "../../formats/dtype.ts";
import { storedTensor } from "../derived.ts";
import { foldedWeight } from "../folded-weight.ts";
import type { Scope, Site } from "../scope.ts";
import { type ComputedWeight, type StoredWeight, storedWeight } from "../stored-weight.ts";
import { isStoredOrder, type StridedView, swapLastAxes } from "../strided-view.ts";
import type { MatrixLayout, SkippedTensor, WeightUse } from "../use.ts";

/** What a node's weight input turned out to be. */
export type Finding = { readonly use: WeightUse } | { readonly skipped: SkippedTensor };

/** Finds the weights that one operator applies. */
export type WeightRule = (site: Site) => readonly Finding[];

/** How a weight acts: the use without what every use shares. */
export type Action = Pick<WeightUse, "operator" | "layout" | "scale" | "roundsActivations"> & {
  readonly problems?: readonly string[];
};

/** Tensors listed as weights that are not audited, with the reason. */
export function refused(
  site: Site,
  tensors: readonly SkippedTensor["tensor"][],
  because: string,
): readonly Finding[] {
  const where = `the weight of ${site.node.opType} "${site.scope.prefix}${site.node.name}"`;
  return tensors.map((tensor) => ({ skipped: { tensor, because: `${where}: ${because}`, warn: true } }));
}

/** Says how a weight acts, or why it cannot be audited. */
export type Act = (weight: StoredWeight) => Action | string;

/**
 * The weight at input `index`, when it is constant: `act` says how it acts, or why it cannot be audited.
 * Nothing for an input that is missing or computed by the network.
 */
export function weightAt(site: Site, index: number, act: Act): readonly Finding[] {
  const { node, scope } = site;
  const name = node.inputs[index] ?? "";
  return name === "" || !scope.isConstant(name) ? [] : applied(site, constantWeight(scope, name), act);
}

/** The stored tensor behind a constant, as the file has it or as the graph computes it. */
function constantWeight(scope: Scope, name: string): StoredWeight | ComputedWeight {
  const weight = storedWeight(scope, name, true);
  return "tensor" in weight ? weight : (foldedWeight(scope, name, weight) ?? weight);
}

/** What becomes of a constant that a node applies as a weight. */
export function applied(site: Site, weight: StoredWeight | ComputedWeight, act: Act): readonly Finding[] {
  const { node, scope } = site;
  if (!("tensor" in weight)) return refused(site, weight.tensors, weight.because);
  const { tensor, notes } = weight;
  const stored = [storedTensor(tensor)];
  if (tensor.unsupported !== undefined || !isFloatType(tensor.dtype)) {
    return refused(site, stored, `stored as ${tensor.dtype} (${tensor.unsupported ?? "not floating-point"})`);
  }
  if (weight.view.shape.includes(0)) return refused(site, stored, "it has no elements");
  const action = act(weight);
  if (typeof action === "string") return refused(site, stored, action);
  if (weight.reordered !== undefined && !keepsMatrix(weight.reordered, action)) {
    return refused(site, stored, "its entries are regrouped between the file and the operator");
  }
  const problems = [...notes, ...(action.problems ?? [])];
  return [{ use: { name: `${scope.prefix}${node.name}`, weight: tensor, ...action, problems } }];
}

/** True when a matrix whose rows or columns were reordered is used as that one matrix, either way round. */
function keepsMatrix([a, b]: readonly number[], { layout }: Action): boolean {
  if (layout.kind !== "matrix" || layout.count !== 1) return false;
  return (layout.rows === a && layout.cols === b) || (layout.rows === b && layout.cols === a);
}

/** The view as consecutive row-major matrices (either way round: a transpose has the same norm), or null. */
export function matrixLayout(view: StridedView): MatrixLayout | null {
  const { shape } = view;
  if (shape.length === 1) return { kind: "matrix", count: 1, rows: shape[0], cols: 1 };
  if (shape.length < 2) return null;
  const count = shape.slice(0, -2).reduce((a, b) => a * b, 1);
  const [rows, cols] = [shape.at(-2)!, shape.at(-1)!];
  if (isStoredOrder(view)) return { kind: "matrix", count, rows, cols };
  if (isStoredOrder(swapLastAxes(view))) return { kind: "matrix", count, rows: cols, cols: rows };
  return null;
}

/** A dense action, or the reason why the constant is none. */
export function denseAction(view: StridedView, scale = 1): Action | string {
  const layout = view.shape.length === 0 ? null : matrixLayout(view);
  if (layout === null) {
    return view.shape.length === 0
      ? "a single number, no matrix"
      : "its matrices do not lie one after another in the file";
  }
  return { operator: "dense", layout, ...(scale === 1 ? {} : { scale }) };
}

/** A table whose rows are looked up by number. */
export const embeddingAction: Act = ({ view }) => {
  const { shape } = view;
  if (shape.length !== 2) return `a lookup table of ${shape.length} dimensions is not audited`;
  const layout = matrixLayout(view);
  return layout === null
    ? "its rows do not lie one after another in the file"
    : { operator: "embedding", layout };
};
