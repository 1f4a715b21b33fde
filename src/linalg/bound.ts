/** How much a stated bound is worth; never mixed. See docs/guarantees.md. */
export type Guarantee = "estimate" | "probable" | "proof";

/**
 * What is known of a nonnegative quantity such as σ₁.
 * - `lower` is rigorous under every guarantee, rounding included.
 * - `upper` is rigorous at `proof`; holds with probability ≥ 1 − failureProbability at `probable`; null at `estimate`.
 */
export interface Bound {
  readonly lower: number;
  readonly upper: number | null;
  readonly guarantee: Guarantee;
  /** How it was found, in a few words: "lanczos", "cholesky", "symbol-grid", "closed-form", … */
  readonly method: string;
  /** The best guess where that differs from the bounds (`estimate` only). */
  readonly estimate?: number;
  /** Steps of the iteration that produced it, where there was one. */
  readonly iterations?: number;
  /** Chance that `upper` is too small (`probable` only). */
  readonly failureProbability?: number;
}
