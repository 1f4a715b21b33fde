import { dot, norm } from "./basis.ts";
import { OperatorError } from "./errors.ts";
import { operatorError } from "./leaf-bounds.ts";
import { lowerBound } from "./lower-bound.ts";
import type { LinearOperator } from "./operator.ts";
import { RandomStream } from "./random.ts";
import { singularValueDecomposition } from "./svd.ts";

/** What a power method carries from one call to the next: keep it beside the weight. */
export interface PowerState {
  /** Orthonormal approximations of the leading right singular vectors, best first. */
  readonly vectors: readonly Float64Array[];
}

export interface PowerMethodOptions {
  /** Steps of this call; default 1, as in training. */
  readonly iterations?: number;
}

/** One call's outcome. */
export interface PowerResult {
  /** Rigorous: σ₁ is at least this. */
  readonly lower: number;
  /** ‖A v₁‖: approaches σ₁ from below and is no upper bound. */
  readonly estimate: number;
  /** Estimates of the leading singular values, one per vector of the block. */
  readonly values: readonly number[];
  readonly state: PowerState;
}

/**
 * A random state for `powerMethod`.
 * @param block vectors iterated together; more than one keeps the estimate smooth where σ₁ ≈ σ₂.
 */
export function powerState(operator: LinearOperator, seed: bigint | number, block = 1): PowerState {
  const most = Math.min(operator.rows, operator.cols);
  if (!(Number.isSafeInteger(block) && block >= 1 && block <= most)) {
    throw new OperatorError("block size", block, `an integer from 1 to ${most}`);
  }
  const random = new RandomStream(BigInt(seed));
  return { vectors: orthonormalized(Array.from({ length: block }, () => random.direction(operator.cols))) };
}

/**
 * Block power (subspace) iteration on AᵀA, warm-started: pure, the state goes in and comes out. Each call ends with a
 * Rayleigh–Ritz step, so the vectors are the best in their span (Golub & Van Loan §8.2).
 * @throws OperatorError when the state's vectors do not fit the operator.
 */
export function powerMethod(
  operator: LinearOperator,
  state: PowerState,
  options: PowerMethodOptions = {},
): PowerResult {
  const { iterations = 1 } = options;
  if (state.vectors.length === 0 || state.vectors.some((v) => v.length !== operator.cols)) {
    const got = state.vectors.map((v) => v.length);
    throw new OperatorError("power state's vectors", got, `one or more of length ${operator.cols}`);
  }
  let vectors = state.vectors;
  for (let i = 0; i < iterations; i++) {
    vectors = orthonormalized(vectors.map((v) => operator.adjoint(operator.apply(v))));
  }
  const { rotated, values } = rayleighRitz(operator, vectors);
  const top = rotated[0]!;
  const image = operator.apply(top);
  const lower = lowerBound(top, image, operatorError(operator));
  return { lower, estimate: Math.max(norm(image), lower), values, state: { vectors: rotated } };
}

/** Singular values of A restricted to the span, and the orthonormal vectors that attain them. */
function rayleighRitz(operator: LinearOperator, vectors: readonly Float64Array[]) {
  const count = vectors.length;
  const images = new Float64Array(operator.rows * count);
  vectors.forEach((v, j) => {
    operator.apply(v).forEach((y, i) => {
      images[i * count + j] = y;
    });
  });
  const { s, v: rotation } = singularValueDecomposition(images, operator.rows, count);
  const rotated = Array.from(s, (_, k) => {
    const sum = new Float64Array(operator.cols);
    vectors.forEach((v, j) => {
      const c = rotation[j * s.length + k]!;
      for (let i = 0; i < sum.length; i++) sum[i]! += c * v[i]!;
    });
    return sum;
  });
  return { rotated, values: Array.from(s) };
}

/** Gram–Schmidt, twice; a direction that vanishes (a rank smaller than the block) is replaced by a unit vector. */
function orthonormalized(vectors: readonly Float64Array[]): Float64Array[] {
  const basis: Float64Array[] = [];
  for (const given of vectors) {
    let v = given.slice();
    let before = norm(v);
    for (let spare = 0; ; spare++) {
      for (let pass = 0; pass < 2; pass++) removeDirections(v, basis);
      const after = norm(v);
      if (after > 1e-12 * before && after > 0) {
        basis.push(v.map((x) => x / after));
        break;
      }
      v = new Float64Array(v.length);
      v[spare] = 1;
      before = 1;
    }
  }
  return basis;
}

function removeDirections(v: Float64Array, basis: readonly Float64Array[]): void {
  for (const b of basis) {
    const c = dot(b, v);
    for (let i = 0; i < v.length; i++) v[i]! -= c * b[i]!;
  }
}
