import type { BlockScan } from "../kernels/types.ts";
import {
  type AnalyzeOptions,
  DEFAULT_FAILURE_PROBABILITY,
  type MatrixAnalysis,
  wantedGap,
} from "./analyze-options.ts";
import { norm } from "./basis.ts";
import type { Bound } from "./bound.ts";
import { gramOfSource } from "./gram-slabs.ts";
import { holdMatrix, type MatrixProducts, streamMatrix } from "./held-matrix.ts";
import { productError } from "./lower-bound.ts";
import { type MatrixSource, scaledSource, storageBytes } from "./matrix-source.ts";
import { threads as openThreads } from "./pool.ts";
import { ESTIMATE_ITERATIONS, ESTIMATE_TOLERANCE, powerIteration } from "./power-iteration.ts";
import { type ProbableInterval, probableInterval } from "./probable.ts";
import { RandomStream } from "./random.ts";
import { runIterationAsync } from "./requests.ts";
import { down, scaleToUnit, sqrtDown, sqrtUp, sumOfSquaresDown, sumOfSquaresUp, up } from "./rounding.ts";
import { certifiedNorm } from "./verified-cholesky.ts";

/** Below this many elements one thread finishes sooner than a second one starts. */
const THREADED_ELEMENTS = 2 ** 20;

/** float64 entries outside this range are scaled before they are squared. */
const SAFE_RANGE: readonly [number, number] = [1e-100, 1e100];

/** A matrix ready to be analysed, scaled by a power of two. */
interface Prepared {
  readonly source: MatrixSource;
  readonly held: MatrixProducts;
  readonly scan: BlockScan;
  readonly scale: number;
}

/**
 * σ₁ and ‖·‖_F of a stored matrix, with the guarantee asked for. Reads it once (again for the Gram matrix at
 * `proof`; at every step when it is larger than `memory`).
 */
export async function analyzeMatrix(source: MatrixSource, options: AnalyzeOptions): Promise<MatrixAnalysis> {
  if (source.rows === 0 || source.cols === 0) return { finite: true, sigma: exactly(0), frobenius: 0 };
  const count = source.rows * source.cols >= THREADED_ELEMENTS ? options.threads : 1;
  const threads = openThreads(count);
  const prepared = await prepare(source, threads, options);
  try {
    const { scan, scale } = prepared;
    if (!scan.finite) return { finite: false, sigma: null, frobenius: Number.NaN };
    const elements = source.rows * source.cols;
    const frobenius = up(sqrtUp(sumOfSquaresUp(scan.sumOfSquares, elements)) / scale);
    if (scan.maxAbs === 0) return { finite: true, sigma: exactly(0), frobenius: 0 };
    if (source.rows === 1 || source.cols === 1) {
      const lower = down(sqrtDown(sumOfSquaresDown(scan.sumOfSquares, elements)) / scale);
      const sigma: Bound = { lower, upper: frobenius, guarantee: "proof", method: "vector-norm" };
      return { finite: true, sigma, frobenius, ...(options.spectrum ? { spectrum: [lower] } : {}) };
    }
    return await enclose(prepared, frobenius, threads, options);
  } finally {
    await prepared.held.release();
  }
}

function exactly(value: number): Bound {
  return { lower: value, upper: value, guarantee: "proof", method: "zero" };
}

async function prepare(
  source: MatrixSource,
  threads: ReturnType<typeof openThreads>,
  options: AnalyzeOptions,
): Promise<Prepared> {
  const fits = source.rows * source.cols * storageBytes(source.type) <= options.memory;
  const hold = (from: MatrixSource, load: AnalyzeOptions) =>
    fits ? holdMatrix(from, threads, load) : streamMatrix(from, threads, options.memory, load);
  const held = await hold(source, options);
  const scan = await held.scan(1);
  const extreme = scan.maxAbs > 0 && !(scan.maxAbs >= SAFE_RANGE[0] && scan.maxAbs <= SAFE_RANGE[1]);
  if (source.type !== "float64" || !scan.finite || !extreme) return { source, held, scan, scale: 1 };
  await held.release();
  const scale = scaleToUnit(scan.maxAbs);
  const scaled = scaledSource(source, scale);
  const again = await hold(scaled, { ...options, onProgress: undefined });
  return { source: scaled, held: again, scan: await again.scan(1), scale };
}

/** Bounds of the prepared matrix divided by its scale; a last subnormal unit covers entries lost by scaling. */
async function enclose(
  { source, held, scan, scale }: Prepared,
  frobenius: number,
  threads: ReturnType<typeof openThreads>,
  options: AnalyzeOptions,
): Promise<MatrixAnalysis> {
  const error = productError(source.cols, Math.min(source.rows, source.cols));
  const lost = scale < 1 ? 1e-300 : 0;
  if (options.guarantee === "estimate") {
    const power = powerIteration({
      start: new RandomStream(options.seed).direction(source.cols),
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
    return { finite: true, sigma, frobenius, ...topVectors(result, options) };
  }
  const failureProbability = options.failureProbability ?? DEFAULT_FAILURE_PROBABILITY;
  const gap = wantedGap(options);
  const interval = await runIterationAsync(
    probableInterval({
      cols: source.cols,
      gap,
      failureProbability,
      seed: options.seed,
      error,
      spectrum: options.spectrum,
    }),
    held.products,
    options.signal,
  );
  const lower = down(interval.lower / scale);
  const details = {
    finite: true,
    frobenius,
    ...(options.spectrum ? { spectrum: interval.spectrum.map((s) => s / scale) } : {}),
    ...topVectors(interval, options),
  };
  if (options.guarantee === "probable") {
    const upper = Math.min(up(up(interval.upper / scale) + lost), frobenius);
    return {
      ...details,
      sigma: {
        lower,
        upper,
        guarantee: "probable",
        method: "lanczos",
        iterations: interval.steps,
        failureProbability,
      },
    };
  }
  const proved = await provedUpper(source, scan, interval, gap, threads, options);
  const upper = Math.min(up(up(proved.upper / scale) + lost), frobenius);
  return {
    ...details,
    sigma: { lower, upper, guarantee: "proof", method: proved.method, iterations: interval.steps },
  };
}

/** Verified Cholesky on the Gram matrix where that fits in memory, otherwise ‖A‖_F, which is always a bound. */
async function provedUpper(
  source: MatrixSource,
  scan: BlockScan,
  interval: ProbableInterval,
  gap: number,
  threads: ReturnType<typeof openThreads>,
  options: AnalyzeOptions,
): Promise<{ upper: number; method: string }> {
  const short = Math.min(source.rows, source.cols);
  const long = Math.max(source.rows, source.cols);
  const elements = source.rows * source.cols;
  if (short * short * 8 * (threads.length + 1) > options.memory) {
    return { upper: sqrtUp(sumOfSquaresUp(scan.sumOfSquares, elements)), method: "frobenius" };
  }
  const scale = scaleToUnit(scan.maxAbs);
  const quiet = { signal: options.signal };
  const entries = await gramOfSource(source, threads, scale, options.memory, quiet);
  const frobeniusSquared = up(sumOfSquaresUp(scan.sumOfSquares, elements) * scale * scale);
  const guess = norm(interval.image) * scale;
  const upper = certifiedNorm(
    { entries, n: short, terms: long + threads.length + 1, frobeniusSquared },
    guess,
    gap,
  );
  return { upper: up(upper / scale), method: "cholesky" };
}

function topVectors(
  { vector, image }: { vector: Float64Array; image: Float64Array },
  options: AnalyzeOptions,
): Pick<MatrixAnalysis, "top"> | Record<string, never> {
  if (!options.vectors) return {};
  const length = norm(image);
  return { top: { v: vector, u: image.map((x) => x / length) } };
}
