import { kernels } from "../kernels/index.ts";
import { addUp, divUp, down, gamma, mulUp, sqrtUp, up } from "./rounding.ts";

/** Shifts tried above the first guess before the trace, which always suffices in exact arithmetic, is taken. */
const MAX_ATTEMPTS = 24;

/** More than what underflows on the way can add up to where they count: fewer than 2¹⁰⁰ errors of 2⁻¹⁰⁷⁴. */
const UNDERFLOW = 2 ** -900;

/** A computed Gram matrix and what is needed to trust a factorisation of it. */
export interface GramMatrix {
  /** n × n row-major; the lower triangle of fl(A Aᵀ). */
  readonly entries: Float64Array;
  readonly n: number;
  /** At most this many products were added up for one entry. */
  readonly terms: number;
  /** Upper bound of ‖A‖_F². */
  readonly frobeniusSquared: number;
}

/**
 * Turns "the Cholesky factorisation of shift·I − G ran to its end" into a bound of ‖A‖₂²: if RᵀR = H + Δ then
 * ‖Δ‖₂ ≤ γ/(1−γ)·tr H (Rump 2006, "Verification of positive definiteness"; Higham, Thm 10.3), and
 * ‖G − AAᵀ‖₂ ≤ γ_terms·‖A‖_F².
 * @param growth γ of the factorisation: γ_{n+2} for real matrices.
 * @param gramError γ of the entries of G.
 */
export function certifiedSquare(
  shift: number,
  n: number,
  growth: number,
  gramError: number,
  frobeniusSquared: number,
): number {
  const trace = up(mulUp(n, shift) * (1 + (n + 2) * 2 ** -52));
  const factorisation = mulUp(divUp(growth, down(1 - growth)), trace);
  const diagonalRounding = mulUp(2 ** -52, shift);
  const formation = mulUp(gramError, frobeniusSquared);
  const square = addUp(addUp(addUp(shift, factorisation), diagonalRounding), formation);
  return addUp(up(square * (1 + 2 ** -48)), UNDERFLOW);
}

/**
 * A proved upper bound of σ₁(A) from its Gram matrix: the smallest tried shift for which Cholesky succeeds, plus
 * every rounding error on the way.
 * @param guess an estimate of σ₁ from below (a Ritz value); only the tightness depends on it.
 * @param gap the relative gap aimed at; the first shift lies a quarter of it above the guess.
 */
export function certifiedNorm(gram: GramMatrix, guess: number, gap: number): number {
  const { entries, n, terms, frobeniusSquared } = gram;
  const frobenius = sqrtUp(frobeniusSquared);
  let trace = 0;
  for (let i = 0; i < n; i++) trace += entries[i * n + i]!;
  let step = Math.min(Math.max(gap / 4, 1e-8), 0.1);
  let shift = Math.min(guess * guess * (1 + 2 * step), trace);
  for (let attempt = 0; attempt < MAX_ATTEMPTS && shift > 0; attempt++) {
    if (kernels().shiftedCholesky(entries, n, shift) === null) {
      const square = certifiedSquare(shift, n, gamma(n + 2), gamma(terms), frobeniusSquared);
      return Math.min(sqrtUp(square), frobenius);
    }
    step *= 3;
    shift *= 1 + step;
  }
  return frobenius;
}
