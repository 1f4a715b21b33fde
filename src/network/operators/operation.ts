import type { Bound } from "../../linalg/bound.ts";
import type { SpectralNormOptions } from "../../linalg/norm-options.ts";
import type { LinearOperator } from "../../linalg/operator.ts";

/**
 * What a node computes once its shapes and constants are known: flat row-major float64 vectors in, one out. A node of
 * several outputs gives them one after another in that vector. Only inputs that depend on the network's input are
 * passed ("signals", in the node's order); constants are bound beforehand.
 */
export type Operation = AffineOperation | ElementwiseOperation | GeneralOperation;

/** All points x with lo ≤ x ≤ hi, entry by entry. Ends may be infinite; NaN never occurs. */
export interface Box {
  readonly lo: Float64Array;
  readonly hi: Float64Array;
}

/** A closed interval [lo, hi]. */
export type Interval = readonly [lo: number, hi: number];

/**
 * A matrix that acts on one signal. Its float64 product Âx is near the true Ax (of the stored numbers, in real
 * arithmetic): |Âx − Ax| ≤ γ_roundings·|A||x|, entry by entry, whatever the order of summation.
 */
export interface LinearPart extends LinearOperator {
  /** The matrix of absolute values |A|; absent where no entry is negative. */
  readonly magnitude?: LinearOperator;
  /**
   * Roundings that one entry of a product goes through: as many as products are added up, plus those of computed
   * coefficients. 0 where entries are only moved.
   */
  readonly roundings: number;
  /** ℓ2 norms of A's rows, rounded up. */
  rowNorms(): Float64Array;
  /** Bounds of σ₁(A), of the true matrix; absent where only its products are known. */
  norm?(options: SpectralNormOptions): Bound;
  /** True when products with unit vectors give A's entries without any rounding. */
  readonly exactEntries?: true;
  /** A's entries where it is diagonal, each off by at most so many roundings. */
  readonly diagonal?: Diagonal;
  /** diag(factors)·A as a part of the same kind; null where that kind cannot carry them. */
  scaleRows?(diagonal: Diagonal): LinearPart | null;
}

/** The entries of a diagonal matrix. */
export interface Diagonal {
  readonly factors: Float64Array;
  readonly roundings: number;
}

/** y = Σᵢ Aᵢ xᵢ + offset, one part per signal. */
export interface AffineOperation {
  readonly kind: "affine";
  readonly parts: readonly LinearPart[];
  /**
   * Constant term, absent when zero: exact stored numbers, or computed, then off by at most
   * γ_offsetRoundings·offsetMagnitude (|offset| itself where that is absent: terms of a sum may cancel).
   */
  readonly offset?: Float64Array;
  readonly offsetRoundings?: number;
  readonly offsetMagnitude?: Float64Array;
}

/** A function of one real variable, with what interval arithmetic needs of it. */
export interface ScalarFunction {
  /** f(x) in float64. */
  value(x: number): number;
  /** f′(x), or any slope between the one-sided ones at a kink. */
  slope(x: number): number;
  /** An interval that holds f(x) for every x in [lo, hi], rounded outward. lo ≤ hi, either may be infinite. */
  image(lo: number, hi: number): Interval;
  /**
   * [α, β] with α ≤ (f(x) − f(y))/(x − y) ≤ β for all x ≠ y in [lo, hi], rounded outward. Infinite where there is no
   * finite slope. `slopes(−∞, ∞)` gives the global ones.
   */
  slopes(lo: number, hi: number): Interval;
}

/** y_i = f_i(x_i): one signal, the size stays. */
export interface ElementwiseOperation {
  readonly kind: "elementwise";
  /** The function of unit i; the same object for units that share one. */
  unit(i: number): ScalarFunction;
}

/** How far outputs move for given moves of the inputs: c₁‖Δx₁‖ + c₂‖Δx₂‖ + … or √(c₁²‖Δx₁‖² + …). */
export interface Sensitivity {
  /** One per signal, rounded up. */
  readonly constants: readonly number[];
  readonly join: "sum" | "euclidean";
}

/** Everything else. Derivatives are any element of Clarke's generalised Jacobian where the function has kinks. */
export interface GeneralOperation {
  readonly kind: "general";
  forward(x: readonly Float64Array[]): Float64Array;
  /** J·dx at x, where y = forward(x). One tangent per signal. */
  jvp(x: readonly Float64Array[], y: Float64Array, dx: readonly Float64Array[]): Float64Array;
  /** Jᵀ·dy at x: one cotangent per signal. */
  vjp(x: readonly Float64Array[], y: Float64Array, dy: Float64Array): readonly Float64Array[];
  /** A box that holds forward(x) in real arithmetic for every x in the boxes, rounded outward; absent where unknown. */
  image?(x: readonly Box[]): Box;
  /** How steep it is on the boxes, rounded up; null or absent where nothing finite is known. */
  local?(x: readonly Box[]): Sensitivity | null;
}
