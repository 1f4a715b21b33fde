import { gammaOfComputed, type Reach, reachOf, squaresUp } from "./eclipse-reach.ts";
import { type Activation, type Stage, stageOf, submatrix } from "./eclipse-stage.ts";
import { type StageProducts, stageProducts } from "./eclipse-step.ts";
import { mulUp, scaleToUnit } from "./rounding.ts";

/** A matrix of a run. */
export interface RunMatrix {
  readonly rows: number;
  readonly cols: number;
  /** Row-major. */
  readonly entries: Float64Array;
  /** Upper bound of the Frobenius distance between the true matrix and `entries`; 0 when exact. */
  readonly error: number;
}

/** W₁W₁ᵀ of the first matrix times a power of two. */
export interface FirstGram {
  /** rows × rows, row-major, lower triangle. */
  readonly entries: Float64Array;
  readonly rows: number;
  readonly cols: number;
  /** The power of two by which W₁ was multiplied. */
  readonly scale: number;
}

/** A run with its slopes, ready for the recursion: what reaches the first activation, and one stage per activation. */
export interface Chain {
  readonly first: Reach;
  /** Those of the first stage, which no multiplier changes. */
  readonly products: StageProducts;
  readonly stages: readonly Stage[];
  /** The true bound is the chain's times 2^exponent. */
  readonly exponent: number;
}

/**
 * The chain of a run.
 * @param layers the matrices behind the activations.
 * @param activations each with a unit that is kept.
 * @returns "constant" where a matrix has only zeros left; null where something overflowed.
 */
export function chainOf(
  gram: FirstGram,
  layers: readonly RunMatrix[],
  activations: readonly Activation[],
): Chain | null | "constant" {
  let exponent = -binaryExponent(gram.scale);
  const stages: Stage[] = [];
  for (const [i, activation] of activations.entries()) {
    const { rows, cols, entries } = layers[i]!;
    const keptRows = activations[i + 1]?.kept ?? Int32Array.from({ length: rows }, (_, j) => j);
    const weights = submatrix(entries, cols, keptRows, activation.kept);
    const largest = weights.reduce((most, w) => Math.max(most, Math.abs(w)), 0);
    if (largest === 0) return "constant";
    const scale = scaleToUnit(largest);
    exponent -= binaryExponent(scale) + binaryExponent(activation.scale);
    for (let j = 0; j < weights.length; j++) weights[j]! *= scale;
    stages.push(stageOf(activation, weights, keptRows.length));
  }
  const first = firstReach(gram, activations[0]!.kept);
  if (first === null) return null;
  return { first, products: stageProducts(stages[0]!, first), stages, exponent };
}

/** ‖Ĝ − WWᵀ‖ ≤ γ_N·‖W‖_F² over the rows kept, whose ‖W‖_F² is the trace. */
function firstReach({ entries, rows, cols }: FirstGram, kept: Int32Array): Reach | null {
  const n = kept.length;
  const gram = submatrix(entries, rows, kept, kept);
  let trace = 0;
  for (let i = 0; i < n; i++) trace += gram[i * n + i]!;
  const error = mulUp(gammaOfComputed(cols + 2), squaresUp(trace, n * cols));
  return reachOf(gram, n, error, 0);
}

/** e with 2^e = p for a power of two p. */
export function binaryExponent(p: number): number {
  let exponent = 0;
  for (let x = p; x > 1; x /= 2) exponent++;
  for (let x = p; x < 1; x *= 2) exponent--;
  return exponent;
}
