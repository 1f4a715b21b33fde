import type { Bound, Guarantee } from "../../linalg/bound.ts";
import { dense } from "../../linalg/dense.ts";
import type { RunMatrix } from "../../linalg/eclipse.ts";
import { NonFiniteError } from "../../linalg/errors.ts";
import type { LinearOperator } from "../../linalg/operator.ts";
import { deriveSeed } from "../../linalg/random.ts";
import { addUp } from "../../linalg/rounding.ts";
import { spectralNorm } from "../../linalg/spectral-norm.ts";
import { rootOfSquares } from "../join.ts";
import type { LinearPart } from "../operators/operation.ts";

/** How norms within a network are bounded. */
export interface NormSettings {
  readonly guarantee: "probable" | "proof";
  /** Chance that one probable bound is too small. */
  readonly failureProbability: number;
  readonly seed: bigint;
  /** Wanted relative gap of matrices; convolutions and compositions have the default of 1 %. */
  readonly gap: number;
}

/** Products that bounding a composition takes, both ways, about; and multiplications spent on all of them: seconds. */
const ITERATIONS = 120;
const COMPOSITION_BUDGET = 4e9;

/** Bounds of norms that share a seed and add up their chances to be wrong: each gets a random start of its own. */
export class Norms {
  readonly settings: NormSettings;
  #calls = 0;
  #chance = 0;
  #weakest: Guarantee = "proof";
  #spent = 0;

  constructor(settings: NormSettings) {
    this.settings = settings;
  }

  /** Chance that any upper bound given so far is too small. */
  get failureProbability(): number {
    return this.#chance;
  }

  /** The weakest guarantee of those given so far. */
  get guarantee(): Guarantee {
    return this.#weakest;
  }

  /** σ₁ of a part, rounded up; of one known by its products, at `proof`, its Frobenius norm. */
  part(part: LinearPart): number | null {
    // A matrix at hand is cheap to bound closely; a convolution is not.
    const { gap, ...options } = this.#options();
    const wanted = "entries" in part ? { ...options, gap } : options;
    if (part.norm !== undefined) return this.#taken(() => part.norm!(wanted));
    return this.operator(part) ?? rootOfSquares([...part.rowNorms()]);
  }

  /** σ₁ of an operator known by its products: never at `proof`. */
  operator(operator: LinearOperator): number | null {
    if (this.settings.guarantee === "proof") return null;
    const { gap: _, ...options } = this.#options();
    return this.#taken(() => spectralNorm(operator, options));
  }

  /**
   * σ₁ of a composition known by its products; null, leaving it to the product of its parts, once the budget for
   * such iterations is spent.
   * @param cost multiplications of one product.
   */
  composition(operator: LinearOperator, cost: number): number | null {
    const work = ITERATIONS * cost;
    if (this.#spent + work > COMPOSITION_BUDGET) return null;
    this.#spent += work;
    return this.operator(operator);
  }

  /** σ₁ of a matrix that was computed. */
  matrix({ entries, rows, cols, error }: RunMatrix): number | null {
    const norm = this.#taken(() => spectralNorm(dense(entries, rows, cols), this.#options()));
    if (norm === null || error === 0) return norm;
    const sum = addUp(norm, error);
    return Number.isFinite(sum) ? sum : null;
  }

  #options() {
    const { guarantee, failureProbability, seed, gap } = this.settings;
    return { guarantee, failureProbability, gap, seed: deriveSeed(seed, this.#calls++) };
  }

  /** The upper end, its chance counted; null where there is no finite one, as for weights that are not finite. */
  #taken(compute: () => Bound): number | null {
    const bound = finiteOr(compute);
    if (bound === null) return null;
    const { upper, guarantee, failureProbability = 0 } = bound;
    if (failureProbability > 0) this.#chance = addUp(this.#chance, failureProbability);
    if (guarantee === "probable") this.#weakest = "probable";
    return upper !== null && Number.isFinite(upper) ? upper : null;
  }
}

function finiteOr(compute: () => Bound): Bound | null {
  try {
    return compute();
  } catch (error) {
    if (error instanceof NonFiniteError) return null;
    throw error;
  }
}
