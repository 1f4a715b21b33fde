import { addRows, gram, product } from "./eclipse-products.ts";
import {
  additionError,
  gammaOfComputed,
  type Reach,
  reachOf,
  squaresUp,
  UNDERFLOW,
} from "./eclipse-reach.ts";
import type { Stage } from "./eclipse-stage.ts";
import { transpose } from "./matrix.ts";
import { addUp, divUp, gamma, mulUp, sqrtUp } from "./rounding.ts";

/** What passing a reach M through a stage takes that does not depend on the multipliers. */
export interface StageProducts {
  /** M_U (VC)ᵀ for the loose units U: loose × next. */
  readonly cross: Float64Array;
  /** V C M C Vᵀ, next × next; the lower triangle counts. */
  readonly core: Float64Array;
}

export function stageProducts(stage: Stage, { entries, n }: Reach): StageProducts {
  const { next, activation, centered } = stage;
  const image = product(centered, entries, next, n, n);
  const flipped = transpose(image, next, n);
  const cross = new Float64Array(activation.loose.length * next);
  activation.loose.forEach((unit, i) => {
    cross.set(flipped.subarray(unit * next, (unit + 1) * next), i * next);
  });
  return { cross, core: product(centered, flipped, next, n, next) };
}

/**
 * The Cholesky factor R of D (diag p − M_UU) D and, beside it, B = R⁻ᵀ D M_U (VC)ᵀ: loose × (loose + next),
 * row-major (below the diagonal of R stands nothing of use).
 */
export interface Factor {
  readonly rows: Float64Array;
  /** [Bᵀ, V_U diag(w)], next × 2·loose, with w ≥ √p·r: its Gram matrix is what the loose units add. */
  readonly columns: Float64Array;
  /** p. */
  readonly multipliers: Float64Array;
  /** D: powers of two that bring the diagonal between 1 and 4. */
  readonly scales: Float64Array;
}

/**
 * One layer of the recursion. For all slopes D in the stage's ranges and every M ⪯ the reach,
 *
 *     V D M D Vᵀ ⪯ V (C M C + diag(p r²) + C M_·U (diag p − M_UU)⁻¹ M_U· C) Vᵀ
 *
 * for any multipliers p with diag p − M_UU ≻ 0. Write M = NNᵀ, D = C + RΔ with |Δ| ≤ 1, and q = RΔv for the loose
 * units: ‖NᵀDv‖² = ‖NᵀCv + N_Uᵀq‖² ≤ Σ p q² + max over q of (‖NᵀCv + N_Uᵀq‖² − Σ p q²), and q² ≤ r²v². This is the
 * certificate of LipSDP (Fazlyab et al. 2019) taken layer by layer as in ECLipsE (Xu & Sivaranjani 2024), in a form
 * that lets slopes be fixed (r = 0). docs/guarantees.md lists what is rounded.
 * @returns the reach behind the stage's matrix, proved; null when the factorisation fails or something overflows.
 */
export function passStage(
  stage: Stage,
  reach: Reach,
  products: StageProducts,
  multipliers: Float64Array,
): { readonly reach: Reach; readonly factor: Factor } | null {
  const { next, units, activation, frobenius } = stage;
  const loose = activation.loose.length;
  const factored = factorize(stage, reach, products, multipliers);
  if (factored === null) return null;
  const sum = gram(factored.factor.columns, next, 2 * loose);
  let trace = 0;
  for (let i = 0; i < next; i++) trace += sum[i * next + i]!;
  for (let i = 0; i < next; i++) {
    for (let j = 0; j <= i; j++) sum[i * next + j]! += products.core[i * next + j]!;
  }
  const coreError = mulUp(gamma(2 * units + 8), mulUp(mulUp(frobenius, frobenius), reach.frobenius));
  const gramError = mulUp(gamma(2 * loose + 6), squaresUp(trace, 2 * loose * next));
  const error = [coreError, gramError, additionError(sum, next)].reduce(addUp, factored.excess);
  const passed = reachOf(sum, next, error, reach.exponent);
  return passed === null ? null : { reach: passed, factor: factored.factor };
}

/** See `Factor.columns`. */
function stacked(stage: Stage, rows: Float64Array, multipliers: Float64Array): Float64Array {
  const { next, units, weights } = stage;
  const { loose, radius } = stage.activation;
  const k = loose.length;
  const columns = new Float64Array(next * 2 * k);
  loose.forEach((unit, i) => {
    const weight = sqrtUp(mulUp(multipliers[i]!, mulUp(radius[i]!, radius[i]!)));
    for (let j = 0; j < next; j++) {
      columns[j * 2 * k + i] = rows[i * (k + next) + k + j]!;
      columns[j * 2 * k + k + i] = weights[j * units + unit]! * weight;
    }
  });
  return columns;
}

/** The largest margin kept between diag p − M_UU and what is factored. */
const LARGEST_MARGIN = 2 ** -20;

/** Rounding of a scaled diagonal entry below 4 and of the shift taken off it. */
const DIAGONAL_ROUNDING = 2 ** -49;

/**
 * Factors and bounds what rounding may have taken from BᵀB: with A = D (diag p − M_UU) D and K = D M_U (VC)ᵀ in real
 * numbers, A ⪰ RᵀR + margin·I by the shift (Rump 2006), and K = RᵀB up to `residual`, so
 * Kᵀ A⁻¹ K ⪯ BᵀB + (residual²/margin)·I. (The block matrix [A K; Kᵀ BᵀB+σI] is [R B]ᵀ[R B] plus a matrix that is
 * positive semidefinite if margin·σ ≥ residual².)
 */
function factorize(
  stage: Stage,
  reach: Reach,
  { cross }: StageProducts,
  multipliers: Float64Array,
): { readonly factor: Factor; readonly excess: number } | null {
  const { next, activation, units, frobenius } = stage;
  const { loose } = activation;
  const k = loose.length;
  const scales = multipliers.map(rootScale);
  const rows = bordered(reach, loose, cross, next, multipliers, scales);
  let trace = 0;
  let image = 0;
  for (let i = 0; i < k; i++) {
    trace = addUp(trace, Math.max(rows[i * (k + next) + i]!, 0));
    image = addUp(image, mulUp(mulUp(scales[i]!, scales[i]!), reach.squares[loose[i]!]!));
  }
  const factorNorm = sqrtUp(mulUp(trace, 1 + 2 ** -20));
  const lost = addUp(mulUp(gammaOfComputed(k + 16), trace), addUp(DIAGONAL_ROUNDING, UNDERFLOW));
  const crossError = addUp(mulUp(gamma(units + 4), mulUp(sqrtUp(image), frobenius)), UNDERFLOW);
  const wanted = crossError / rightNorm(rows, k, next) + gamma(k + 1) * factorNorm;
  const margin = Math.min(addUp(lost, Math.max(wanted, 0)), Math.max(lost, LARGEST_MARGIN));
  if (!eliminate(rows, k, k + next, addUp(lost, margin))) return null;
  const residual = addUp(
    addUp(mulUp(mulUp(gamma(k + 1), factorNorm), rightNorm(rows, k, next)), crossError),
    UNDERFLOW,
  );
  const excess = k === 0 ? 0 : divUp(mulUp(residual, residual), margin);
  return { factor: { rows, columns: stacked(stage, rows, multipliers), multipliers, scales }, excess };
}

/** A power of two d with 1 ≤ d²p < 4; at most 2¹⁰⁰, so that what underflowed stays negligible when multiplied by it. */
function rootScale(p: number): number {
  let d = 1;
  while (d * d * p >= 4) d /= 2;
  while (d * d * p < 1 && d < 2 ** 100) d *= 2;
  return d;
}

/** [A, K] as computed, upper triangle of A. */
function bordered(
  { entries, n }: Reach,
  loose: Int32Array,
  cross: Float64Array,
  next: number,
  multipliers: Float64Array,
  scales: Float64Array,
): Float64Array {
  const k = loose.length;
  const rows = new Float64Array(k * (k + next));
  for (let i = 0; i < k; i++) {
    const d = scales[i]!;
    const start = i * (k + next);
    const from = loose[i]! * n;
    rows[start + i] = (multipliers[i]! - entries[from + loose[i]!]!) * d * d;
    for (let j = i + 1; j < k; j++) rows[start + j] = -entries[from + loose[j]!]! * d * scales[j]!;
    for (let j = 0; j < next; j++) rows[start + k + j] = cross[i * next + j]! * d;
  }
  return rows;
}

/** Upper bound of the Frobenius norm of the right-hand part. */
function rightNorm(rows: Float64Array, k: number, next: number): number {
  let sum = 0;
  for (let i = 0; i < k; i++) {
    const start = i * (k + next) + k;
    for (let j = start; j < start + next; j++) sum += rows[j]! * rows[j]!;
  }
  return sqrtUp(squaresUp(sum, k * next));
}

/** Rows eliminated at a time; what stands above them is taken off by one product of matrices. */
const BLOCK = 64;

/**
 * Cholesky of the left k × k part, less shift·I, carried on through the columns to its right, in place. Every entry is
 * a plain sum of products, then one division or square root. False when a pivot is not > 0.
 */
function eliminate(rows: Float64Array, k: number, width: number, shift: number): boolean {
  for (let i = 0; i < k; i++) rows[i * width + i]! -= shift;
  for (let first = 0; first < k; first += BLOCK) {
    const end = Math.min(first + BLOCK, k);
    if (first > 0) subtractAbove(rows, first, end, width);
    const negative = new Float64Array(BLOCK);
    for (let i = first; i < end; i++) {
      const at = i * width + i;
      for (let l = first; l < i; l++) negative[l - first] = -rows[l * width + i]!;
      addRows(rows, at, width - i, negative, 0, 1, i - first, rows, first * width + i, width);
      const pivot = rows[at]!;
      const root = Math.sqrt(pivot);
      // Math.sqrt is only approximated in the language, so it is checked; 8 roundings are allowed for.
      if (!(pivot > 0) || !(Math.abs(root * root - pivot) <= 2 ** -50 * pivot)) return false;
      rows[at] = root;
      for (let j = at + 1; j < (i + 1) * width; j++) rows[j]! /= root;
    }
  }
  return true;
}

/** Rows first … end − 1 −= R[above, those]ᵀ · the rows above. */
function subtractAbove(rows: Float64Array, first: number, end: number, width: number): void {
  const factors = new Float64Array((end - first) * first);
  for (let i = first; i < end; i++) {
    for (let l = 0; l < first; l++) factors[(i - first) * first + l] = rows[l * width + i]!;
  }
  const above = product(factors, rows.subarray(0, first * width), end - first, first, width);
  for (let i = first; i < end; i++) {
    for (let j = i; j < width; j++) rows[i * width + j]! -= above[(i - first) * width + j]!;
  }
}
