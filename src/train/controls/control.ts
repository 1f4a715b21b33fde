/**
 * How a weight is kept from being steep, as plain data. Made by `spectralNorm`, `bjorck`, `cayley`, `singularBand`,
 * `projectNorm`, `clipSingularValues`, `clipWeights`; `uncontrolled` leaves the weight free.
 */
export type Control =
  | Uncontrolled
  | SpectralNormControl
  | BjorckControl
  | CayleyControl
  | SingularBandControl
  | ProjectNormControl
  | ClipWeightsControl;

/** The weight as it is. */
export interface Uncontrolled {
  readonly kind: "none";
}

/** Which norm: of the operator the layer applies, or of its kernel reshaped to a matrix (what PyTorch normalises). */
export type NormOf = "operator" | "reshaped";

/** W·cap/σ₁ with σ₁ from a power iteration whose vectors are kept (Miyato et al. 2018, arXiv:1802.05957). */
export interface SpectralNormControl {
  readonly kind: "spectralNorm";
  readonly cap: number;
  readonly norm: NormOf;
  /** Whether a weight below the cap stays as it is: W·min(1, cap/σ₁). */
  readonly onlyAbove: boolean;
  /** Power iterations for each advance. */
  readonly iterations: number;
  /** Whether a trained factor in [−1, 1] multiplies the normalised weight. */
  readonly learnableScale: boolean;
}

/** cap·(the orthonormal matrix nearest to W), by Björck's iteration (Björck & Bowie 1971; Anil et al. 2019). */
export interface BjorckControl {
  readonly kind: "bjorck";
  readonly cap: number;
  /** Björck steps in every use of the weight; gradients flow through them. */
  readonly iterations: number;
}

/** cap·(the Cayley transform of W), orthonormal by construction (Trockman & Kolter 2021, arXiv:2104.07167). */
export interface CayleyControl {
  readonly kind: "cayley";
  readonly cap: number;
}

/** After each step every singular value of the matrix is moved into [min, max]; min = 0 only clips from above. */
export interface SingularBandControl {
  readonly kind: "singularBand";
  readonly min: number;
  readonly max: number;
}

/** After each step W ← W·min(1, cap/σ₁) (Gouk et al. 2021, arXiv:1804.04368). */
export interface ProjectNormControl {
  readonly kind: "projectNorm";
  readonly cap: number;
  readonly norm: NormOf;
  readonly iterations: number;
}

/** After each step every entry is moved into [−limit, limit] (Arjovsky et al. 2017, arXiv:1701.07875). */
export interface ClipWeightsControl {
  readonly kind: "clipWeights";
  readonly limit: number;
}
