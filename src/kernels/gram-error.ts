/** √2, rounded up. */
export const SQRT2_UP = Math.SQRT2 * (1 + 2 ** -52);

/** Covers the few dozen roundings that evaluate a bound. */
const INFLATION = 1 + 2 ** -40;

/** γ_k = k·u / (1 − k·u), u = 2⁻⁵³: an upper bound of k roundings' relative error (Higham, §3.1). */
export function gamma(k: number): number {
  const ku = k * 2 ** -53;
  return inflated(ku / (1 - ku));
}

/** A nonnegative bound enlarged by more than what evaluating it can have lost. */
export function inflated(bound: number): number {
  return bound * INFLATION;
}

/**
 * ‖fl(G) − G‖_F / ‖F‖_F² when each real and imaginary part of an entry of G = F Fᴴ is a sum of 2·width products in any
 * order: |fl(G) − G| ≤ γ·(|Re F||Re F|ᵀ + |Im F||Im F|ᵀ) in the real parts and γ·(|Im F||Re F|ᵀ + |Re F||Im F|ᵀ) in
 * the imaginary ones, and each of the two has Frobenius norm at most ‖F‖_F².
 */
export function directGramError(width: number): number {
  return inflated(SQRT2_UP * gamma(2 * width));
}
