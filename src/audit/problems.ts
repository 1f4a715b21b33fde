import type { TensorEntry } from "../formats/model.ts";
import type { Bound } from "../linalg/bound.ts";
import { storedType } from "../network/dequantized.ts";
import { type FoldedTensor, isFolded } from "../network/folded-weight.ts";
import type { WeightPlan, WeightUse } from "../network/use.ts";
import { selection } from "./plan.ts";
import type { Problem } from "./schema.ts";

/** How a weight with a NaN or an infinity is reported. @param where what the problem is said of: names are said once. */
export function nonFiniteMessage(weight: TensorEntry, where: string): string {
  if (isFolded(weight)) return `the weight computed from ${weight.name} holds a NaN or an infinity`;
  const name = weight.name === where ? "" : ` ${weight.name}`;
  return `the weight${name} holds a NaN or an infinity`;
}

/** Why a proved bound is far from tight where the proof had no room; null where it had. */
export function looseProofReason(use: WeightUse, sigma: Bound | null): string | null {
  if (sigma === null || sigma.guarantee !== "proof" || sigma.method !== "frobenius") return null;
  const n = shortSide(use);
  return `the Gram matrix of a tight proof (${n} × ${n} float64) does not fit the memory budget, so the proved bound is the Frobenius norm: raise --memory`;
}

function shortSide({ layout }: WeightUse): number {
  if (layout.kind === "matrix") return Math.min(layout.rows, layout.cols);
  const [rows, ...rest] = layout.kernelShape as readonly [number, ...number[]];
  return Math.min(
    rows,
    rest.reduce((a, b) => a * b, 1),
  );
}

/** Names of the weights within `only` that this version has no bound for: quantised, complex, … */
export function unsupportedWeights(plan: WeightPlan, only: string | undefined): readonly string[] {
  return skippedWeights(plan, only).map((skip) => skip.tensor.name);
}

/** A warning for each of them. @param verdict what was done with it, such as "not audited". */
export function unsupportedProblems(plan: WeightPlan, only: string | undefined, verdict: string): Problem[] {
  return skippedWeights(plan, only).map((skip) => ({
    severity: "warning",
    code: "unsupported",
    where: skip.tensor.name,
    message: `${verdict}: ${skip.because}`,
  }));
}

/** A warning for each use of a weight that is computed from what is stored, which normalising leaves as it is. */
export function derivedProblems(uses: readonly WeightUse[]): Problem[] {
  return uses.map(({ name, weight }) => ({
    severity: "warning",
    code: "unsupported",
    where: name,
    message: `left as it is: ${isFolded(weight) ? foldedReason(weight) : quantisedReason(weight)}, or leave the layer out with --only`,
  }));
}

function quantisedReason(weight: TensorEntry): string {
  return (
    `quantised (${storedType(weight)}): its integers cannot carry the factor; ` +
    "normalise the model before it is quantised"
  );
}

function foldedReason({ name, computedBy }: FoldedTensor): string {
  return (
    `computed in the graph: ${name} ${computedBy}, so a factor would not reach the layer; ` +
    "export plain weights (in PyTorch remove_spectral_norm or remove_parametrizations first)"
  );
}

function skippedWeights(plan: WeightPlan, only: string | undefined): WeightPlan["skipped"] {
  const selected = selection(only);
  return plan.skipped.filter((skip) => skip.warn && selected(skip.tensor.name));
}
