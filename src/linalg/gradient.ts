/**
 * ∂σ₁/∂W = u₁v₁ᵀ, row-major. Where σ₁ = σ₂ the norm has a kink: u₁v₁ᵀ of any top pair is then a subgradient, and
 * steps along one of them alone chatter between the tied directions.
 * @param u unit left singular vector of σ₁ (rows)
 * @param v unit right singular vector of σ₁ (cols), W v = σ₁ u
 */
export function spectralNormGradient(u: Float64Array, v: Float64Array): Float64Array {
  const gradient = new Float64Array(u.length * v.length);
  for (let i = 0; i < u.length; i++) {
    for (let j = 0; j < v.length; j++) gradient[i * v.length + j] = u[i]! * v[j]!;
  }
  return gradient;
}
