import type { BlockScan } from "../kernels/types.ts";
import {
  type BoundOptions,
  DEFAULT_FAILURE_PROBABILITY,
  type MatrixAnalysis,
  wantedGap,
} from "./analyze-options.ts";
import { norm } from "./basis.ts";
import type { Bound } from "./bound.ts";
import { productError } from "./lower-bound.ts";
import type { ProbableInterval } from "./probable.ts";
import { ask, type Iteration } from "./requests.ts";
import { down, scaleToUnit, sqrtDown, sqrtUp, sumOfSquaresDown, sumOfSquaresUp, up } from "./rounding.ts";
import { estimateSigma, lanczosInterval, type ScaledOperator } from "./scaled-iterations.ts";
import { certifiedNorm } from "./verified-cholesky.ts";

/**
 * float64 entries outside this range are scaled by a power of two before Lanczos: it squares entries of the Gram
 * matrix, fourth powers of these times the square of their number.
 */
const SAFE_RANGE: readonly [number, number] = [1e-60, 1e60];

/**
 * Up to this short side a matrix whose Lanczos run closed or stalled before its gap was met (a handful of columns,
 * a cluster at the top) is factorised instead, which is stronger and costs little.
 */
const FACTORISED_INSTEAD = 1024;

/** The scale a matrix's entries need before their squares can be trusted not to leave float64's range. */
export function safeScale(maxAbs: number): number {
  const extreme = maxAbs > 0 && !(maxAbs >= SAFE_RANGE[0] && maxAbs <= SAFE_RANGE[1]);
  return extreme && Number.isFinite(maxAbs) ? scaleToUnit(maxAbs) : 1;
}

/** A matrix about to be bounded: its entries are the stored ones times `scale`, a power of two. */
export interface MatrixFacts {
  readonly rows: number;
  readonly cols: number;
  readonly scan: BlockScan;
  readonly scale: number;
  /** Products added up for one Gram entry, partial sums included: at least the longer side. */
  readonly gramTerms: number;
}

/** σ₁ and ‖·‖_F of a scanned matrix; asks for `gram`, `apply` and, at `proof`, `gramMatrix`. */
export function* matrixBounds(facts: MatrixFacts, options: BoundOptions): Iteration<MatrixAnalysis> {
  const { rows, cols, scan, scale } = facts;
  if (!scan.finite) return { finite: false, sigma: null, frobenius: Number.NaN };
  if (scan.maxAbs === 0) return { finite: true, sigma: zeroBound(), frobenius: 0 };
  const frobenius = up(sqrtUp(sumOfSquaresUp(scan.sumOfSquares, rows * cols)) / scale);
  if ((rows === 1 || cols === 1) && !options.vectors) {
    const lower = down(sqrtDown(sumOfSquaresDown(scan.sumOfSquares, rows * cols)) / scale);
    const sigma: Bound = { lower, upper: frobenius, guarantee: "proof", method: "vector-norm" };
    return { finite: true, sigma, frobenius, ...(options.spectrum ? { spectrum: [lower] } : {}) };
  }
  if (options.guarantee !== "estimate") return yield* enclosed(facts, frobenius, options);
  return { finite: true, frobenius, ...(yield* estimateSigma(scaledOperator(facts), options)) };
}

/** What is known of an operator that is zero. */
export function zeroBound(): Bound {
  return { lower: 0, upper: 0, guarantee: "proof", method: "zero" };
}

function* enclosed(facts: MatrixFacts, frobenius: number, options: BoundOptions): Iteration<MatrixAnalysis> {
  const { scale } = facts;
  const { interval, details } = yield* lanczosInterval(scaledOperator(facts), options);
  const lower = down(interval.lower / scale);
  const iterations = interval.steps;
  const known = { finite: true, frobenius, ...details };
  const likely = Math.min(unscaledUp(interval.upper, scale), frobenius);
  const short = Math.min(facts.rows, facts.cols);
  const met = likely - lower <= wantedGap(options) * likely || short > FACTORISED_INSTEAD;
  if (options.guarantee === "probable" && met) {
    const failureProbability = options.failureProbability ?? DEFAULT_FAILURE_PROBABILITY;
    return {
      ...known,
      sigma: {
        lower,
        upper: likely,
        guarantee: "probable",
        method: "lanczos",
        iterations,
        failureProbability,
      },
    };
  }
  const proved = yield* provedUpper(facts, interval, wantedGap(options), options.memory);
  const upper = Math.min(unscaledUp(proved.upper, scale), frobenius);
  return { ...known, sigma: { lower, upper, guarantee: "proof", method: proved.method, iterations } };
}

function scaledOperator({ rows, cols, scale }: MatrixFacts): ScaledOperator {
  return { rows, cols, scale, error: productError(cols, Math.min(rows, cols)) };
}

/**
 * Divides by the scale, rounded up twice: the second time covers entries that scaling made subnormal, which lost less
 * than 2⁻¹⁰⁰⁰ of the largest.
 */
function unscaledUp(upper: number, scale: number): number {
  return up(up(upper / scale));
}

/** Verified Cholesky on the Gram matrix where that fits in memory, otherwise ‖A‖_F, which is always a bound. */
function* provedUpper(
  { rows, cols, scan, gramTerms }: MatrixFacts,
  interval: ProbableInterval,
  gap: number,
  memory: number,
): Iteration<{ upper: number; method: string }> {
  const short = Math.min(rows, cols);
  const square = sumOfSquaresUp(scan.sumOfSquares, rows * cols);
  if (3 * short * short * 8 > memory) return { upper: sqrtUp(square), method: "frobenius" };
  const scale = scaleToUnit(scan.maxAbs);
  const entries = yield* ask({ kind: "gramMatrix", scale });
  const gram = { entries, n: short, terms: gramTerms, frobeniusSquared: up(square * scale * scale) };
  const upper = certifiedNorm(gram, norm(interval.image) * scale, gap);
  return { upper: up(upper / scale), method: "cholesky" };
}
