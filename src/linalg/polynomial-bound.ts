/**
 * The probabilistic upper bound of Hochstenbach (2013, doi 10.1007/s10915-013-9716-x). After k Lanczos steps on
 * M = AᵀA from a unit start v₁, p_k(M) v₁ is a unit vector for the known Lanczos polynomial p_k; so
 * |p_k(σ₁²)| · |⟨x₁, v₁⟩| ≤ 1 for the top singular vector x₁. A start drawn uniformly from the sphere has
 * |⟨x₁, v₁⟩| ≥ δ except with probability ε, and then σ₁² cannot lie where p_k exceeds 1/δ.
 */

/**
 * The overlap δ(ε, n) that a uniform direction in ℝⁿ has with any fixed one, except with probability ε.
 * n ≥ 3: the density of one coordinate is at most √((n−1)/2π) (Wendel 1948); n = 2: the angle is uniform.
 */
export function startOverlap(failureProbability: number, n: number): number {
  if (n < 2) return 1;
  if (n === 2) return Math.sin((Math.PI * failureProbability) / 2);
  return failureProbability * Math.sqrt(Math.PI / (2 * (n - 1)));
}

/** What an entry of M v may lose to underflow: 2²⁰ products, 2⁻¹⁰⁷⁴ each. */
const UNDERFLOW = 2 ** -1054;

/** log p_k(t), or −∞ at or below the top Ritz value. off[k−1] is the last residual norm. */
function logPolynomial(diagonal: readonly number[], off: readonly number[], k: number, t: number): number {
  let ratio = (t - diagonal[0]!) / off[0]!;
  if (!(ratio > 0)) return Number.NEGATIVE_INFINITY;
  let product = ratio;
  let log = 0;
  for (let j = 1; j < k; j++) {
    ratio = (t - diagonal[j]! - off[j - 1]! / ratio) / off[j]!;
    if (!(ratio > 0)) return Number.NEGATIVE_INFINITY;
    product *= ratio;
    if (product > 1e150 || product < 1e-150) {
      log += Math.log(product);
      product = 1;
    }
  }
  return log + Math.log(product);
}

/**
 * An upper bound of σ₁² after k steps, valid whenever the start's overlap with x₁ is at least `overlap`.
 * @param theta the top Ritz value of T_k.
 * @param off k entries; the last is the residual. A vanishing one (the Krylov space closed) is floored at
 *   1e-13·θ, so that closure sharpens the bound without ever returning θ itself; and at what M v
 *   may lose to underflow, so that products too small for float64 are not taken for zero.
 * @param n length of v.
 * @returns ∞ where the products overflowed.
 */
export function polynomialUpper(
  diagonal: readonly number[],
  off: readonly number[],
  k: number,
  theta: number,
  overlap: number,
  n: number,
): number {
  if (!(theta < Number.POSITIVE_INFINITY)) return Number.POSITIVE_INFINITY;
  const lost = n * UNDERFLOW;
  const floored = off.slice(0, k);
  for (let j = 0; j < k; j++) floored[j] = Math.max(floored[j]!, 1e-13 * theta, lost);
  const target = -Math.log(overlap);
  const base = Math.max(theta, lost);
  let low = base;
  let step = Math.max(1e-15 * base, Number.MIN_VALUE);
  let high = low + step;
  while (!(logPolynomial(diagonal, floored, k, high) >= target)) {
    low = high;
    step *= 4;
    high = base + step;
    if (!Number.isFinite(high)) return Number.POSITIVE_INFINITY;
  }
  for (let i = 0; i < 60 && high - low > 1e-3 * (high - base); i++) {
    const middle = low + (high - low) / 2;
    if (logPolynomial(diagonal, floored, k, middle) < target) low = middle;
    else high = middle;
  }
  // Rounding in the recurrence: see docs/guarantees.md for why this inflation and no smaller gap is claimed.
  return high * (1 + 2e-12 * k);
}
