import { elementReader } from "../kernels/storage.ts";
import type { Thread } from "../platform/threads.ts";
import { analyzeMatrix } from "./analyze-matrix.ts";
import type { AnalyzeOptions, MatrixAnalysis } from "./analyze-options.ts";
import type { Bound } from "./bound.ts";
import { convolution } from "./convolution.ts";
import {
  type ConvolutionBounds,
  groupedGrid,
  sizedBounds,
  sizeFreeBounds,
  tightest,
} from "./convolution-bounds.ts";
import { convolutionGram, hasExplicitGram } from "./convolution-gram.ts";
import type { ConvolutionGeometry } from "./geometry.ts";
import { holdConvolution } from "./held-convolution.ts";
import { groupedBounds, type Pausing, unscaledBound } from "./kernel-bounds.ts";
import { safeScale } from "./matrix-bounds.ts";
import { type ElementType, storageBytes, storageType, toStorage } from "./matrix-source.ts";
import { threads as openThreads, threadsWithSelf } from "./pool.ts";
import { runIterationAsync } from "./requests.ts";
import { up } from "./rounding.ts";
import type { KernelTensor, SymbolBound, SymbolBoundOptions } from "./symbol-bound.ts";
import { frequencyCount, type SymbolGrid } from "./symbol-grid.ts";
import { product } from "./taps.ts";
import type { Tasks } from "./tasks.ts";

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

/** Longest the event loop waits for work on the calling thread. */
const TURN_MS = 50;

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
  const plain = { ...options, spectrum: 0, vectors: false, onProgress: undefined };
  const flat = await analyzeMatrix(reshapedSource(source, bytes), plain);
  const reshaped = flat.sigma;
  if (!flat.finite || reshaped === null) return { ...flat, reshaped: null };
  if (flat.frobenius === 0) return { ...flat, reshaped };
  const bounds = await kernelBounds(source, bytes, flat.frobenius, reshaped, options);
  return { finite: true, frobenius: flat.frobenius, ...swapVectors(bounds, source.transposed), reshaped };
}

function reshapedSource({ type, kernelShape }: ConvolutionSource, bytes: Uint8Array) {
  const cols = product(kernelShape.slice(1));
  const width = cols * storageBytes(type);
  return {
    type: storageType(type),
    rows: kernelShape[0]!,
    cols,
    readRows: async (start: number, end: number) => bytes.subarray(start * width, end * width),
  };
}

/** The left singular vector of an operator is the right one of its adjoint. */
function swapVectors(bounds: ConvolutionBounds, transposed: boolean): ConvolutionBounds {
  if (!transposed || bounds.top === undefined) return bounds;
  return { ...bounds, top: { u: bounds.top.v, v: bounds.top.u } };
}

async function kernelBounds(
  source: ConvolutionSource,
  bytes: Uint8Array,
  frobenius: number,
  reshaped: Bound,
  options: AnalyzeOptions,
): Promise<ConvolutionBounds> {
  const { kernelShape, geometry, type } = source;
  const element = elementReader(storageType(type), bytes);
  const scale = safeScale(frobenius);
  const values = Float64Array.from({ length: product(kernelShape) }, (_, i) => element(i) * scale);
  const facts = { kernelShape, geometry, frobenius: up(frobenius * scale), scale, reshaped };
  const symbols = symbolAnswer(values, kernelShape, geometry, options);
  if (geometry.inputSize === undefined) {
    return runIterationAsync(sizeFreeBounds(facts, options), { symbolBound: symbols }, options.signal);
  }
  if (geometry.groups > 1) {
    const stored = scale === 1 ? values : values.map((w) => w / scale);
    const ask = groupedGrid(facts, options);
    const symbol = ask === null ? null : unscaledBound(await symbols(ask), scale);
    const work = groupedBounds(stored, kernelShape, geometry, symbol, options);
    const largest = await looking(work, options.signal);
    return { ...largest, sigma: tightest(largest.sigma, facts) };
  }
  const operator = convolution(values, kernelShape, geometry);
  const positions = product(operator.outputSize);
  const threads = threadsWithSelf(values.length * positions >= THREADED_WORK ? options.threads : 1);
  const narrow = type === "float64" ? values : Float32Array.from(values);
  const held = await holdConvolution(narrow, kernelShape, geometry, threads);
  const explicitGram = hasExplicitGram(operator) ? () => convolutionGram(operator) : null;
  const sized = { ...facts, rows: operator.rows, cols: operator.cols, positions, explicitGram };
  try {
    const answers = { gram: held.products, apply: held.products, symbolBound: symbols };
    return await runIterationAsync(sizedBounds(sized, options), answers, options.signal);
  } finally {
    operator.release();
    await held.release();
  }
}

/** Runs pausing work, giving the event loop a turn now and then and stopping there when `signal` aborts. */
async function looking<Result>(work: Pausing<Result>, signal: AbortSignal | undefined): Promise<Result> {
  let state = work.next();
  let turn = performance.now();
  while (!state.done) {
    if (performance.now() - turn > TURN_MS) {
      await new Promise((resolve) => setTimeout(resolve));
      signal?.throwIfAborted();
      turn = performance.now();
    }
    state = work.next();
  }
  return state.value;
}

/** Answers `symbolBound` with the frequencies shared among threads. */
function symbolAnswer(
  values: Float64Array,
  kernelShape: readonly number[],
  { groups }: ConvolutionGeometry,
  { threads: wanted }: AnalyzeOptions,
) {
  const kernel: KernelTensor = {
    values,
    channelsOut: kernelShape[0]!,
    channelsIn: kernelShape[1]!,
    groups,
    size: kernelShape.slice(2),
  };
  return async ({
    grid,
    options,
  }: {
    grid: SymbolGrid;
    options: SymbolBoundOptions;
  }): Promise<SymbolBound> => {
    const work = values.length * frequencyCount(grid) * Math.min(kernelShape[0]! / groups, kernelShape[1]!);
    const threads: readonly Thread<Tasks>[] = openThreads(work >= THREADED_WORK ? wanted : 1);
    const parts = threads.length;
    const bounds = await Promise.all(
      threads.map((thread, part) => thread.call("symbolBound", [kernel, grid, { ...options, part, parts }])),
    );
    return bounds.reduce(largerBound);
  };
}

/** Two parts of one grid together. */
function largerBound(a: SymbolBound, b: SymbolBound): SymbolBound {
  return {
    lower: Math.max(a.lower, b.lower),
    upper: Math.max(a.upper, b.upper),
    groupUppers: a.groupUppers.map((upper, group) => Math.max(upper, b.groupUppers[group]!)),
    frequencies: a.frequencies + b.frequencies,
    peak: a.lower >= b.lower ? a.peak : b.peak,
  };
}
