import {
  type BoundOptions,
  DEFAULT_FAILURE_PROBABILITY,
  type MatrixAnalysis,
  wantedGap,
} from "./analyze-options.ts";
import { norm } from "./basis.ts";
import type { Bound } from "./bound.ts";
import type { ConvolutionGram } from "./convolution-gram.ts";
import type { ConvolutionGeometry } from "./geometry.ts";
import { Lanczos } from "./lanczos.ts";
import { lowerBound, type ProductError, productError } from "./lower-bound.ts";
import { planeWave } from "./plane-wave.ts";
import { RandomStream } from "./random.ts";
import { ask, type Iteration } from "./requests.ts";
import { reshapedFactorUp, reshapedIsLowerBound } from "./reshaped.ts";
import { addUp, down, gamma, mulUp, sqrtUp, up } from "./rounding.ts";
import {
  type Details,
  estimateSigma,
  lanczosInterval,
  type ScaledOperator,
  topVectors,
} from "./scaled-iterations.ts";
import type { SymbolBound, SymbolBoundOptions, SymbolPeak } from "./symbol-bound.ts";
import { frequencyCount, mostCopies, type SymbolGrid, sizeFreeGrid, symbolGrid } from "./symbol-grid.ts";
import { product } from "./taps.ts";
import { certifiedNorm } from "./verified-cholesky.ts";

/** Multiply–adds worth spending on a grid before a coarser one is taken. */
const GRID_WORK = 1e11;

/** Multiply–adds worth spending on Lanczos with the operator itself; beyond, the symbol bounds it from above. */
const OPERATOR_WORK = 8e9;

/** Steps the default gap usually takes. */
const USUAL_STEPS = 80;

/** The grid is tried first where it costs at most this share of Lanczos with the operator. */
const CHEAPER = 1 / 3;

/** Steps from the grid's peak that a small operator may take; each gains less than the one before. */
const PEAK_STEPS = 24;

/** A convolution about to be bounded: its kernel's entries are the stored ones times `scale`, a power of two. */
export interface ConvolutionFacts {
  /** [c_out, c_in/groups, k…] */
  readonly kernelShape: readonly number[];
  readonly geometry: ConvolutionGeometry;
  /** ‖W‖_F of the scaled kernel, rounded up, not 0. */
  readonly frobenius: number;
  readonly scale: number;
  /** Bounds of the stored kernel reshaped to c_out × (c_in/groups · k). */
  readonly reshaped: Bound;
}

/** Up to this many pixels per channel a group is bounded directly at once. */
const WRITTEN_OUT_PIXELS = 64;

type Shape = Pick<ConvolutionFacts, "kernelShape" | "geometry">;

/** A convolution at a known input size. */
export interface SizedFacts extends ConvolutionFacts {
  /** Dimensions of the operator's matrix. */
  readonly rows: number;
  readonly cols: number;
  /** Output positions per channel. */
  readonly positions: number;
  /** The explicit Gram matrix and the error of its entries, where the operator is small enough to form it. */
  readonly explicitGram: (() => ConvolutionGram) | null;
}

/** σ₁ of a convolution, and by-products where they were asked for. */
export type ConvolutionBounds = { readonly sigma: Bound } & Pick<MatrixAnalysis, "top" | "spectrum">;

/** Bounds at a known input size; asks for `gram`, `apply` and, for large or proved ones, `symbolBound`. */
export function* sizedBounds(facts: SizedFacts, options: BoundOptions): Iteration<ConvolutionBounds> {
  const wantsMore = (options.spectrum ?? 0) > 0 || options.vectors === true;
  if (isReshaped(facts) && !wantsMore) return { sigma: facts.reshaped };
  const found = yield* operatorBounds(facts, options);
  return { ...found, sigma: tightest(found.sigma, facts) };
}

/** Bounds that hold at every input size: the supremum of the symbol's norm over all frequencies. */
export function* sizeFreeBounds(
  facts: ConvolutionFacts,
  options: BoundOptions,
): Iteration<ConvolutionBounds> {
  const { scale } = facts;
  if (isReshaped(facts)) return { sigma: facts.reshaped };
  const grid = affordable(facts, sizeFreeGrids(facts));
  const bound = yield* gridBound(grid, options);
  // Where the grid is of the unstrided operator, one of the ∏s parts that strides pick has 1/√∏s of its gain.
  const picked = product(facts.geometry.strides) / product(grid.strides);
  const lower = down(down(bound.lower / sqrtUp(picked)) / scale);
  if (options.guarantee === "estimate") {
    return {
      sigma: { lower, estimate: lower, upper: null, guarantee: "estimate", method: "symbol-supremum" },
    };
  }
  const sigma = upperBound("symbol-supremum", lower, up(bound.upper / scale), bound.frequencies, options);
  return { sigma: tightest(sigma, facts) };
}

function* operatorBounds(facts: SizedFacts, options: BoundOptions): Iteration<ConvolutionBounds> {
  const { guarantee } = options;
  if (guarantee === "estimate") return yield* estimateSigma(scaledOperator(facts), options);
  if (guarantee === "proof" && facts.explicitGram !== null) {
    return yield* factorised(facts, facts.explicitGram, options);
  }
  const grid = sizedGrid(facts);
  const byOperator = USUAL_STEPS * stepWork(facts);
  const affordable = guarantee === "probable" && byOperator <= OPERATOR_WORK;
  if (affordable && gridWork(facts, grid) > CHEAPER * byOperator) return yield* iterated(facts, options);
  const found = yield* gridded(facts, grid, options);
  const { lower, upper } = found.sigma;
  const narrow = upper! - lower <= wantedGap(options) * upper! && !options.spectrum;
  if (narrow || !affordable) return found;
  return better(yield* iterated(facts, options), found);
}

/** Multiply–adds of one product AᵀA v. */
function stepWork({ kernelShape, positions }: SizedFacts): number {
  return 2 * product(kernelShape) * positions;
}

/** Multiply–adds of certifying a grid: Gram matrix and Cholesky of one complex matrix per frequency and group. */
function gridWork({ kernelShape, geometry }: Shape, grid: SymbolGrid): number {
  const rows = kernelShape[0]! / geometry.groups;
  const aliases = product(grid.strides);
  const side = aliases > 1 ? rows : Math.min(rows, kernelShape[1]!);
  const other = aliases > 1 ? kernelShape[1]! * aliases : Math.max(rows, kernelShape[1]!);
  return geometry.groups * frequencyCount(grid) * side * side * (other + side / 3);
}

/** The grid for this input size, unless one for every size has far fewer frequencies or only that is affordable. */
function sizedGrid(facts: Shape): SymbolGrid {
  const exact = symbolGrid(facts.kernelShape.slice(2), facts.geometry);
  const [finest, ...coarser] = sizeFreeGrids(facts);
  if (exact.exact || frequencyCount(finest!) >= frequencyCount(exact) / 2) {
    return affordable(facts, [exact, finest!, ...coarser]);
  }
  return affordable(facts, [finest!, ...coarser]);
}

/** Grids that serve every input size, from the finest. */
function sizeFreeGrids({ kernelShape, geometry }: Shape): SymbolGrid[] {
  return [16, 8, 4].map((fineness) => sizeFreeGrid(kernelShape.slice(2), geometry, fineness));
}

/** The first grid whose certification stays within `GRID_WORK`, or else the cheapest. */
function affordable(facts: Shape, grids: readonly SymbolGrid[]): SymbolGrid {
  const cheapest = grids.reduce((a, b) => (gridWork(facts, a) <= gridWork(facts, b) ? a : b));
  return grids.find((grid) => gridWork(facts, grid) <= GRID_WORK) ?? cheapest;
}

/** Two enclosures of one number together: whichever upper end is taken, the other could have been, so chances add up. */
function better(a: ConvolutionBounds, b: ConvolutionBounds): ConvolutionBounds {
  const lower = Math.max(a.sigma.lower, b.sigma.lower);
  const tighter = a.sigma.upper! <= b.sigma.upper! ? a : b;
  const chances = [a.sigma.failureProbability, b.sigma.failureProbability].filter((p) => p !== undefined);
  const failure = chances.length > 0 ? { failureProbability: chances.reduce(addUp) } : {};
  return { ...b, ...a, sigma: { ...tighter.sigma, lower, ...failure } };
}

/** Lanczos on the operator itself. */
function* iterated(facts: SizedFacts, options: BoundOptions): Iteration<ConvolutionBounds> {
  const { interval, details } = yield* lanczosInterval(scaledOperator(facts), options);
  const lower = down(interval.lower / facts.scale);
  // Taps of one pixel may cancel, down to where Lanczos sees the rounding of its products instead of the operator.
  const unseen = mulUp(mulUp(4, sqrtUp(interval.steps)), rounding(facts).absolute);
  const upper = up(addUp(interval.upper, unseen) / facts.scale);
  return { ...details, sigma: upperBound("lanczos", lower, upper, interval.steps, options) };
}

/** Verified Cholesky of the explicit Gram matrix. */
function* factorised(
  facts: SizedFacts,
  explicitGram: () => ConvolutionGram,
  options: BoundOptions,
): Iteration<ConvolutionBounds> {
  const { interval, details } = yield* lanczosInterval(scaledOperator(facts), options);
  const { gram, perturbation } = explicitGram();
  const upper = addUp(certifiedNorm(gram, norm(interval.image), wantedGap(options)), perturbation);
  const lower = down(interval.lower / facts.scale);
  return {
    ...details,
    sigma: upperBound("cholesky", lower, up(upper / facts.scale), interval.steps, options),
  };
}

/** Upper end from the symbol over a grid, lower end from a few steps started at the grid's peak. */
function* gridded(facts: SizedFacts, grid: SymbolGrid, options: BoundOptions): Iteration<ConvolutionBounds> {
  const bound = yield* gridBound(grid, options);
  let lower = grid.exact ? bound.lower : 0;
  let details: Details = {};
  if (bound.peak !== null) {
    const enough = bound.upper * (1 - wantedGap(options));
    const near = yield* nearPeak(facts, bound.peak, grid, enough, options);
    lower = Math.max(lower, near.lower);
    details = topVectors(near, options);
  }
  const { scale } = facts;
  const sigma = upperBound(
    "symbol-grid",
    down(lower / scale),
    up(bound.upper / scale),
    bound.frequencies,
    options,
  );
  return { ...details, sigma };
}

/** Lanczos from a plane wave at the grid's peak, until `enough` is reached or a step gains less than 0.1 %. */
function* nearPeak(
  facts: SizedFacts,
  peak: SymbolPeak,
  grid: SymbolGrid,
  enough: number,
  options: BoundOptions,
) {
  const { geometry, kernelShape } = facts;
  const channelsIn = kernelShape[1]! * geometry.groups;
  const wave = planeWave(peak, grid, geometry.inputSize!, channelsIn, geometry.groups);
  const length = norm(wave);
  // On a handful of pixels the wave can vanish; any direction serves then.
  const start =
    length > 0 ? wave.map((x) => x / length) : new RandomStream(options.seed).direction(facts.cols);
  const lanczos = new Lanczos(start, 1);
  const steps = Math.max(1, Math.min(PEAK_STEPS, Math.floor(OPERATOR_WORK / (8 * stepWork(facts)))));
  while (lanczos.steps < steps && !lanczos.closed) {
    const before = lanczos.sigma;
    lanczos.step(yield* ask({ kind: "gram", vector: lanczos.vector }));
    if (lanczos.sigma >= enough || lanczos.sigma <= before * (1 + 1e-3)) break;
  }
  const vector = lanczos.ritzVector();
  lanczos.release();
  const image = yield* ask({ kind: "apply", vector });
  return { lower: lowerBound(vector, image, rounding(facts)), vector, image };
}

/**
 * The grid that bounds every group of a grouped convolution by itself, as a request; null where a grid is not worth
 * its while: at `estimate`, and where each group's matrix is small enough to be written out.
 */
export function groupedGrid(
  { kernelShape, geometry }: Shape,
  options: BoundOptions,
): { grid: SymbolGrid; options: SymbolBoundOptions } | null {
  if (options.guarantee === "estimate" || product(geometry.inputSize!) <= WRITTEN_OUT_PIXELS) return null;
  const single = { ...geometry, groups: 1 };
  const shape = [kernelShape[0]! / geometry.groups, ...kernelShape.slice(1)];
  const grid = sizedGrid({ kernelShape: shape, geometry: single });
  return { grid, options: { ...gridOptions(options), perGroup: true } };
}

function upperBound(
  method: string,
  lower: number,
  upper: number,
  iterations: number,
  options: BoundOptions,
): Bound {
  if (options.guarantee === "proof") return { lower, upper, guarantee: "proof", method, iterations };
  const failureProbability = options.failureProbability ?? DEFAULT_FAILURE_PROBABILITY;
  return { lower, upper, guarantee: "probable", method, iterations, failureProbability };
}

/** ‖conv‖ ≤ √∏⌈k·gcd(s,d)/s⌉ · σ(R) · √copies; null where the copies of a pixel depend on an unknown size. */
function reshapedCeiling({ kernelShape, geometry, reshaped }: ConvolutionFacts): number | null {
  const { inputSize, padding, boundary, strides, dilations } = geometry;
  if (reshaped.upper === null || (boundary !== "zero" && inputSize === undefined)) return null;
  const copies = padding.reduce((count, p, a) => count * mostCopies(inputSize?.[a] ?? 1, p, boundary), 1);
  const overlap = reshapedFactorUp(kernelShape.slice(2), strides, dilations);
  const factor = copies === 1 ? overlap : mulUp(overlap, sqrtUp(copies));
  return factor === 1 ? reshaped.upper : mulUp(factor, reshaped.upper);
}

/** Whether the reshaped norm is the operator's: windows that do not overlap, at least one of them inside. */
function isReshaped(facts: ConvolutionFacts): boolean {
  const ceiling = reshapedCeiling(facts);
  return ceiling !== null && ceiling === facts.reshaped.upper && reshapedBelow(facts);
}

function reshapedBelow({ geometry, kernelShape }: ConvolutionFacts): boolean {
  return reshapedIsLowerBound(geometry, kernelShape.slice(2));
}

/**
 * What the reshaped norm adds on either side; a probable upper end taken over brings its failure probability along.
 */
export function tightest(sigma: Bound, facts: ConvolutionFacts): Bound {
  const { reshaped } = facts;
  const lower = reshapedBelow(facts) ? Math.max(sigma.lower, reshaped.lower) : sigma.lower;
  const ceiling = reshapedCeiling(facts);
  if (sigma.upper === null || ceiling === null || ceiling >= sigma.upper) return { ...sigma, lower };
  const chances = [sigma.failureProbability, reshaped.failureProbability].filter((p) => p !== undefined);
  const failure = chances.length > 0 ? { failureProbability: chances.reduce(addUp) } : {};
  const guarantee = reshaped.guarantee === "probable" ? "probable" : sigma.guarantee;
  return { ...sigma, lower, upper: ceiling, guarantee, method: "reshaped", ...failure };
}

function scaledOperator(facts: SizedFacts): ScaledOperator {
  const { rows, cols, scale } = facts;
  return { rows, cols, scale, error: rounding(facts) };
}

/** γ-type error of the unfolded products; taps that share a pixel can cancel, so those are bounded absolutely. */
function rounding({ kernelShape, geometry, rows, cols, positions, frobenius }: SizedFacts): ProductError {
  const taps = product(kernelShape.slice(2));
  const terms = kernelShape[1]! * taps;
  if (geometry.boundary === "zero") return productError(terms, Math.min(rows, cols));
  const unsummed = mulUp(mulUp(sqrtUp(taps), sqrtUp(positions)), frobenius);
  return { absolute: mulUp(gamma(terms + 1), unsummed), relative: 0 };
}

function* gridBound(grid: SymbolGrid, options: BoundOptions): Iteration<SymbolBound> {
  return yield* ask({ kind: "symbolBound", grid, options: gridOptions(options) });
}

function gridOptions({ guarantee, failureProbability, seed }: BoundOptions): SymbolBoundOptions {
  return {
    guarantee: guarantee === "proof" ? "proof" : "probable",
    failureProbability: failureProbability ?? DEFAULT_FAILURE_PROBABILITY,
    seed,
  };
}
