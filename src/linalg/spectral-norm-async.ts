import { analyzeConvolution } from "./analyze-convolution.ts";
import { analyzeMatrix } from "./analyze-matrix.ts";
import type { AnalyzeOptions } from "./analyze-options.ts";
import type { Bound } from "./bound.ts";
import type { ConvolutionOperator, SizeFreeConvolution } from "./convolution.ts";
import type { DenseOperator } from "./dense.ts";
import { NonFiniteError } from "./errors.ts";
import { leafBound } from "./leaf-bounds.ts";
import { type Leaf, leavesOf } from "./leaves.ts";
import { completeOptions, largerBound, type SpectralNormOptions, scaleBound } from "./norm-options.ts";
import type { LinearOperator } from "./operator.ts";
import { defaultThreads } from "./pool.ts";

export interface SpectralNormAsyncOptions extends SpectralNormOptions {
  /** Default: the machine's cores, at most 8. */
  readonly threads?: number;
  /** Stops between steps, rejecting with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** As `spectralNorm`, with matrices and convolutions shared among threads and the event loop left free. */
export async function spectralNormAsync(
  operator: LinearOperator | SizeFreeConvolution,
  options: SpectralNormAsyncOptions = {},
): Promise<Bound> {
  const complete = {
    ...completeOptions(options, options.threads ?? defaultThreads()),
    signal: options.signal,
  };
  let largest: Bound | undefined;
  for (const { leaf, factors } of leavesOf(operator)) {
    const bound = scaleBound(await leafBoundAsync(leaf, complete), factors);
    largest = largest === undefined ? bound : largerBound(largest, bound);
  }
  return largest!;
}

async function leafBoundAsync(leaf: Leaf, options: AnalyzeOptions): Promise<Bound> {
  switch (leaf.kind) {
    case "dense":
      return denseBoundAsync(leaf, options);
    case "convolution":
    case "convolution-any-size":
      return convolutionBoundAsync(leaf, options);
    default:
      return leafBound(leaf, options);
  }
}

function bytesOf(entries: Float32Array | Float64Array): Uint8Array {
  return new Uint8Array(entries.buffer, entries.byteOffset, entries.byteLength);
}

async function denseBoundAsync(
  { entries, rows, cols }: DenseOperator,
  options: AnalyzeOptions,
): Promise<Bound> {
  const bytes = bytesOf(entries);
  const width = cols * entries.BYTES_PER_ELEMENT;
  const type = entries instanceof Float32Array ? "float32" : "float64";
  const readRows = async (start: number, end: number) => bytes.subarray(start * width, end * width);
  const { sigma } = await analyzeMatrix({ type, rows, cols, readRows }, options);
  if (sigma === null) throw new NonFiniteError("the matrix");
  return sigma;
}

async function convolutionBoundAsync(
  { kernel, kernelShape, geometry }: ConvolutionOperator | SizeFreeConvolution,
  options: AnalyzeOptions,
): Promise<Bound> {
  const read = async () => bytesOf(kernel);
  const source = { type: "float64", kernelShape, geometry, transposed: false, read } as const;
  const { sigma } = await analyzeConvolution(source, options);
  if (sigma === null) throw new NonFiniteError("the convolution kernel");
  return sigma;
}
