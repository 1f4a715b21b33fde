import { elementReader } from "../kernels/storage.ts";
import { analyzeMatrix } from "./analyze-matrix.ts";
import {
  type AnalyzeOptions,
  DEFAULT_FAILURE_PROBABILITY,
  type MatrixAnalysis,
  wantedGap,
} from "./analyze-options.ts";
import { norm } from "./basis.ts";
import type { Bound } from "./bound.ts";
import { convolution } from "./convolution.ts";
import { convolutionGram, hasExplicitGram } from "./convolution-gram.ts";
import type { ConvolutionGeometry } from "./geometry.ts";
import { holdConvolution } from "./held-convolution.ts";
import { type ProductError, productError } from "./lower-bound.ts";
import { type ElementType, storageBytes, storageType, toStorage } from "./matrix-source.ts";
import { threads as openThreads } from "./pool.ts";
import { ESTIMATE_ITERATIONS, ESTIMATE_TOLERANCE, powerIteration } from "./power-iteration.ts";
import { probableInterval } from "./probable.ts";
import { RandomStream } from "./random.ts";
import { runIterationAsync } from "./requests.ts";
import { reshapedFactorUp, reshapedIsLowerBound } from "./reshaped.ts";
import { addUp, down, gamma, mulUp, scaleToUnit, sqrtUp, up } from "./rounding.ts";
import type { KernelTensor, SymbolBound, SymbolBoundOptions } from "./symbol-bound.ts";
import { frequencyCount, mostCopies, type SymbolGrid, sizeFreeGrid, symbolGrid } from "./symbol-grid.ts";
import { product } from "./taps.ts";
import { certifiedNorm } from "./verified-cholesky.ts";

/** A stored convolution kernel on demand. */
export interface ConvolutionSource {
  readonly type: ElementType;
  /** [c_out, c_in/groups, k…] of the forward convolution. */
  readonly kernelShape: readonly number[];
  readonly geometry: ConvolutionGeometry;
  /** True when the layer is the adjoint of that convolution: the norm is the same, singular vectors swap sides. */
  readonly transposed: boolean;
  /** All elements, little-endian, row-major in `kernelShape`. */
  read(): Promise<Uint8Array>;
}

/** What is known of one convolution. */
export interface ConvolutionAnalysis extends MatrixAnalysis {
  /** Norm of the kernel reshaped to c_out × (c_in/groups · k), what other tools call its spectral norm. */
  readonly reshaped: Bound | null;
}

/** Multiply–adds of one step below which one thread finishes sooner than a second one starts. */
const THREADED_WORK = 2e7;

/** Multiply–adds worth spending on a size-free bound before its grid is made coarser. */
const SIZE_FREE_WORK = 2e10;

/** Gap aimed at by the Lanczos run that only supplies the lower end beside a certified grid. */
const LOWER_END_GAP = 1e-2;

/** The kernel as numbers, scaled by a power of two where its squares could leave float64's range. */
interface Prepared {
  readonly source: ConvolutionSource;
  readonly values: Float64Array;
  readonly scale: number;
  /** ‖W‖_F of the scaled kernel, rounded up. */
  readonly frobenius: number;
  readonly options: AnalyzeOptions;
}

/**
 * σ₁ of the true operator of a stored convolution (its geometry at the given input size, or a bound for every size
 * where none is known), and of its reshaped kernel.
 */
export async function analyzeConvolution(
  source: ConvolutionSource,
  options: AnalyzeOptions,
): Promise<ConvolutionAnalysis> {
  const stored = await source.read();
  options.onProgress?.(stored.byteLength);
  const bytes = toStorage(source.type, stored);
  const flat = await analyzeMatrix(reshapedSource(source, bytes), {
    ...options,
    spectrum: 0,
    vectors: false,
    onProgress: undefined,
  });
  const reshaped = flat.sigma;
  if (!flat.finite || reshaped === null) return { ...flat, sigma: null, reshaped: null };
  if (flat.frobenius === 0) return { ...flat, reshaped };
  const prepared = prepare(source, bytes, flat.frobenius, options);
  const ceiling = reshapedCeiling(source, reshaped);
  const sigma =
    source.geometry.inputSize === undefined
      ? { sigma: await sizeFree(prepared) }
      : await sized(prepared, ceiling, reshaped);
  return { ...flat, ...sigma, sigma: tightest(sigma.sigma, ceiling, source, reshaped), reshaped };
}

function reshapedSource(source: ConvolutionSource, bytes: Uint8Array) {
  const rows = source.kernelShape[0]!;
  const cols = product(source.kernelShape.slice(1));
  const width = cols * storageBytes(source.type);
  return {
    type: storageType(source.type),
    rows,
    cols,
    readRows: async (start: number, end: number) => bytes.subarray(start * width, end * width),
  };
}

function prepare(
  source: ConvolutionSource,
  bytes: Uint8Array,
  frobenius: number,
  options: AnalyzeOptions,
): Prepared {
  const element = elementReader(storageType(source.type), bytes);
  const extreme = frobenius > 1e100 || frobenius < 1e-100;
  const scale = extreme ? scaleToUnit(frobenius) : 1;
  const values = Float64Array.from({ length: product(source.kernelShape) }, (_, i) => element(i) * scale);
  return { source, values, scale, frobenius: up(frobenius * scale), options };
}

/** ‖conv‖ ≤ √∏⌈k·gcd(s,d)/s⌉ · σ(R) · √copies, for every input size when no pixel is repeated. */
function reshapedCeiling({ kernelShape, geometry }: ConvolutionSource, reshaped: Bound): number | null {
  const { inputSize, padding, boundary, strides, dilations } = geometry;
  if (reshaped.upper === null) return null;
  if (boundary !== "zero" && inputSize === undefined) return null;
  const copies = padding.reduce(
    (count, p, a) => count * (boundary === "zero" ? 1 : mostCopies(inputSize![a]!, p, boundary)),
    1,
  );
  return mulUp(
    mulUp(reshapedFactorUp(kernelShape.slice(2), strides, dilations), reshaped.upper),
    sqrtUp(copies),
  );
}

/** The better upper bound of the two; the reshaped norm's lower bound where it is one. */
function tightest(sigma: Bound, ceiling: number | null, source: ConvolutionSource, reshaped: Bound): Bound {
  const size = source.kernelShape.slice(2);
  const raised = reshapedIsLowerBound(source.geometry, size)
    ? Math.max(sigma.lower, reshaped.lower)
    : sigma.lower;
  const failureProbability = joint(sigma.failureProbability, reshaped.failureProbability);
  const failure = failureProbability === undefined ? {} : { failureProbability };
  if (sigma.upper === null || ceiling === null || ceiling >= sigma.upper) return { ...sigma, lower: raised };
  return { ...sigma, lower: raised, upper: ceiling, method: "reshaped", ...failure };
}

function joint(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : addUp(a, b);
}

/** γ-type error of the unfolded products; taps sharing a pixel can cancel, so those are bounded absolutely. */
function convolutionError({ source, frobenius }: Prepared, rank: number, positions: number): ProductError {
  const taps = product(source.kernelShape.slice(2));
  const terms = source.kernelShape[1]! * taps;
  if (source.geometry.boundary === "zero") return productError(terms, rank);
  const unsummed = mulUp(mulUp(sqrtUp(taps), sqrtUp(positions)), frobenius);
  return { absolute: mulUp(gamma(terms + 1), unsummed), relative: 0 };
}

/** Bounds at the given input size. */
async function sized(
  prepared: Prepared,
  ceiling: number | null,
  reshaped: Bound,
): Promise<{ sigma: Bound } & Partial<Pick<MatrixAnalysis, "top" | "spectrum">>> {
  const { source, values, scale, options } = prepared;
  const { kernelShape, geometry, transposed } = source;
  const operator = convolution(values, kernelShape, geometry);
  const exact =
    ceiling !== null && ceiling <= reshaped.upper! && reshapedIsLowerBound(geometry, kernelShape.slice(2));
  if (exact && !options.spectrum && !options.vectors)
    return { sigma: { ...reshaped, method: `reshaped/${reshaped.method}` } };
  const positions = product(operator.outputSize);
  const error = convolutionError(prepared, Math.min(operator.rows, operator.cols), positions);
  const threads = openThreads(values.length * positions >= THREADED_WORK ? options.threads : 1);
  const narrow = source.type === "float64" ? values : Float32Array.from(values);
  const held = await holdConvolution(narrow, kernelShape, geometry, threads);
  try {
    if (options.guarantee === "estimate") {
      const start = new RandomStream(options.seed).direction(operator.cols);
      const power = powerIteration({
        start,
        iterations: ESTIMATE_ITERATIONS,
        tolerance: ESTIMATE_TOLERANCE,
        error,
      });
      const result = await runIterationAsync(power, held.products, options.signal);
      const sigma: Bound = {
        lower: down(result.lower / scale),
        estimate: result.estimate / scale,
        upper: null,
        guarantee: "estimate",
        method: "power-iteration",
        iterations: result.iterations,
      };
      return { sigma, ...topVectors(result, transposed, options) };
    }
    const explicit = options.guarantee === "proof" && hasExplicitGram(operator);
    const failureProbability = options.failureProbability ?? DEFAULT_FAILURE_PROBABILITY;
    const interval = await runIterationAsync(
      probableInterval({
        cols: operator.cols,
        gap: options.guarantee === "probable" || explicit ? wantedGap(options) : LOWER_END_GAP,
        failureProbability,
        seed: options.seed,
        error,
        spectrum: options.spectrum,
      }),
      held.products,
      options.signal,
    );
    const details = {
      ...(options.spectrum ? { spectrum: interval.spectrum.map((s) => s / scale) } : {}),
      ...topVectors(interval, transposed, options),
    };
    const lower = down(interval.lower / scale);
    const found = { lower, guarantee: options.guarantee, iterations: interval.steps };
    if (options.guarantee === "probable") {
      const upper = up(interval.upper / scale);
      return { ...details, sigma: { ...found, upper, method: "lanczos", failureProbability } };
    }
    if (explicit) {
      const gram = convolutionGram(operator);
      const upper = addUp(certifiedNorm(gram, norm(interval.image), wantedGap(options)), gram.perturbation);
      return { ...details, sigma: { ...found, upper: up(upper / scale), method: "cholesky" } };
    }
    const grid = symbolGrid(kernelShape.slice(2), geometry);
    const bound = await gridBound(prepared, grid, interval.lower);
    const better = grid.exact ? Math.max(lower, down(bound.lower / scale)) : lower;
    return {
      ...details,
      sigma: { ...found, lower: better, upper: up(bound.upper / scale), method: "symbol-grid" },
    };
  } finally {
    await held.release();
  }
}

/** Bounds that hold at every input size: the supremum of the symbol's norm over all frequencies. */
async function sizeFree(prepared: Prepared): Promise<Bound> {
  const { source, scale, options } = prepared;
  const grid = affordableGrid(source);
  const bound = await gridBound(prepared, grid, 0);
  const lower = down(bound.lower / scale);
  if (options.guarantee === "estimate") {
    return { lower, estimate: lower, upper: null, guarantee: "estimate", method: "symbol-supremum" };
  }
  const failureProbability = options.failureProbability ?? DEFAULT_FAILURE_PROBABILITY;
  return {
    lower,
    upper: up(bound.upper / scale),
    guarantee: options.guarantee,
    method: "symbol-supremum",
    iterations: bound.frequencies,
    ...(options.guarantee === "probable" ? { failureProbability } : {}),
  };
}

/** The finest of the size-free grids whose certification stays within `SIZE_FREE_WORK`. */
function affordableGrid({ kernelShape, geometry }: ConvolutionSource): SymbolGrid {
  const size = kernelShape.slice(2);
  const side = Math.min(kernelShape[0]! / geometry.groups, kernelShape[1]!);
  const other = Math.max(kernelShape[0]! / geometry.groups, kernelShape[1]!);
  const work = (grid: SymbolGrid) => geometry.groups * frequencyCount(grid) * side * side * other;
  const grids = [16, 8, 4].map((fineness) => sizeFreeGrid(size, geometry, fineness));
  return grids.find((grid) => work(grid) <= SIZE_FREE_WORK) ?? grids.at(-1)!;
}

/** `symbolBound` with the frequencies shared among threads. */
async function gridBound(
  { source, values, options }: Prepared,
  grid: SymbolGrid,
  floor: number,
): Promise<SymbolBound> {
  const { kernelShape, geometry } = source;
  const kernel: KernelTensor = {
    values,
    channelsOut: kernelShape[0]!,
    channelsIn: kernelShape[1]!,
    groups: geometry.groups,
    size: kernelShape.slice(2),
  };
  const work = values.length * frequencyCount(grid) * Math.min(kernelShape[0]!, kernelShape[1]!);
  const threads = openThreads(work >= THREADED_WORK ? options.threads : 1);
  const shared: SymbolBoundOptions = {
    guarantee: options.guarantee === "proof" ? "proof" : "probable",
    gap: Math.max(options.gap ?? LOWER_END_GAP, 1e-3),
    failureProbability: options.failureProbability ?? DEFAULT_FAILURE_PROBABILITY,
    seed: options.seed,
    floor,
  };
  const bounds = await Promise.all(
    threads.map((thread, part) =>
      thread.call("symbolBound", [kernel, grid, { ...shared, part, parts: threads.length }]),
    ),
  );
  options.signal?.throwIfAborted();
  return {
    lower: Math.max(...bounds.map((b) => b.lower)),
    upper: Math.max(...bounds.map((b) => b.upper)),
    frequencies: bounds.reduce((sum, b) => sum + b.frequencies, 0),
  };
}

function topVectors(
  { vector, image }: { vector: Float64Array; image: Float64Array },
  transposed: boolean,
  options: AnalyzeOptions,
): Pick<MatrixAnalysis, "top"> | Record<string, never> {
  if (!options.vectors) return {};
  const length = norm(image);
  const left = image.map((x) => x / length);
  return { top: transposed ? { u: vector, v: left } : { u: left, v: vector } };
}
