import { Basis, dot, norm } from "./basis.ts";
import { polynomialUpper, startOverlap } from "./polynomial-bound.ts";
import { ask, type Iteration } from "./requests.ts";
import { sqrtUp } from "./rounding.ts";
import { leadingRitzValues, ritzResidual, topRitzValue, topRitzVector } from "./tridiagonal.ts";

/** A second orthogonalisation is needed where the first removed most of the vector (Kahan's "twice is enough"). */
const CANCELLATION = 0.5;

/** What rounding usually leaves of products with AᵀA, as a share of σ₁²: a σ must stand well above its root. */
const PRODUCT_ROUNDING = 1e-14;

/**
 * Lanczos on M = AᵀA with full reorthogonalisation, one product per step, driven from outside:
 * `step(M · vector)` until satisfied. In exact arithmetic this is Golub–Kahan bidiagonalisation of A.
 */
export class Lanczos {
  readonly #basis: Basis;
  readonly #diagonal: number[] = [];
  readonly #off: number[] = [];
  readonly #overlap: number;
  #vector: Float64Array;
  #theta = 0;
  #upper = Number.POSITIVE_INFINITY;

  /**
   * @param start a unit vector drawn uniformly from the sphere.
   * @param failureProbability chance that `upper` is ever wrong, over the draw of `start`, all steps together.
   */
  constructor(start: Float64Array, failureProbability: number) {
    this.#basis = new Basis(start.length);
    this.#vector = start;
    this.#overlap = startOverlap(failureProbability, start.length);
  }

  /** The unit vector whose product with M the next `step` wants. */
  get vector(): Float64Array {
    return this.#vector;
  }

  /** Steps taken. */
  get steps(): number {
    return this.#diagonal.length;
  }

  /** The largest Ritz value's root: approaches σ₁ from below; computed, not a bound. */
  get sigma(): number {
    return Math.sqrt(this.#theta);
  }

  /**
   * Upper bound of σ₁, except with the failure probability. The event it rests on does not depend on the step, so
   * the best of all steps asked about is as safe as any.
   */
  upper(): number {
    const now = polynomialUpper(
      this.#diagonal,
      this.#off,
      this.steps,
      this.#theta,
      this.#overlap,
      this.#vector.length,
    );
    this.#upper = Math.min(this.#upper, now);
    return sqrtUp(this.#upper);
  }

  /** True when the Krylov space is exhausted: further steps would only amplify rounding (or an overflow's NaN). */
  get closed(): boolean {
    return (
      this.steps > 0 && (this.steps >= this.#vector.length || !(this.#off.at(-1)! > 1e-13 * this.#theta))
    );
  }

  /** Takes M · vector (the array is overwritten) and moves to the next vector. */
  step(product: Float64Array): void {
    const v = this.#vector;
    const w = product;
    this.#basis.push(v);
    this.#diagonal.push(dot(v, w));
    let before = norm(w);
    this.#basis.removeFrom(w);
    let after = norm(w);
    for (let pass = 0; pass < 2 && after < CANCELLATION * before; pass++) {
      before = after;
      this.#basis.removeFrom(w);
      after = norm(w);
    }
    this.#off.push(after);
    const k = this.steps;
    this.#theta = topRitzValue(this.#diagonal, this.#off, k, this.#theta * (1 - 1e-15));
    if (after > 0) for (let i = 0; i < w.length; i++) w[i]! /= after;
    this.#vector = w;
  }

  /** Steps until `steps` have been taken or the Krylov space closes. */
  *run(steps: number): Iteration<void> {
    while (this.steps < steps && !this.closed) {
      this.step(yield* ask({ kind: "gram", vector: this.vector }));
    }
  }

  /**
   * Leading singular values, largest first: the Ritz values whose residual places a true σ within the relative
   * tolerance, up to the first that does not or that rounding
   * may have made up. A repeated σ appears once.
   */
  leadingValues(count: number, tolerance: number): number[] {
    const k = this.steps;
    const values: number[] = [];
    for (const theta of leadingRitzValues(this.#diagonal, this.#off, k, count)) {
      if (!(tolerance * theta > PRODUCT_ROUNDING * this.#theta)) break;
      if (ritzResidual(this.#diagonal, this.#off, k, theta) > 2 * tolerance * theta) break;
      values.push(Math.sqrt(theta));
    }
    return values;
  }

  /** Leaves the basis's memory to others; no step may follow. */
  release(): void {
    this.#basis.release();
  }

  /** Unit approximation of the top right singular vector. */
  ritzVector(): Float64Array {
    if (this.#theta === 0) return this.#basis.vector(0).slice();
    const k = this.steps;
    const x = this.#basis.combine(topRitzVector(this.#diagonal, this.#off, k, this.#theta));
    const scale = 1 / norm(x);
    for (let i = 0; i < x.length; i++) x[i]! *= scale;
    return x;
  }
}
