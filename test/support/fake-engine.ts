import type { Engine } from "../../src/audit/engine.ts";
import { toFloat64 } from "../../src/formats/decode.ts";
import type { FloatType } from "../../src/formats/dtype.ts";
import type { AnalyzeOptions, MatrixAnalysis } from "../../src/linalg/analyze.ts";
import type { Bound } from "../../src/linalg/bound.ts";

/** What a convolution's σ is, in this engine, as a multiple of its reshaped kernel's. */
export const CONVOLUTION_FACTOR = 1.5;

/** One question that the engine was asked. */
export interface Question {
  readonly kind: "matrix" | "convolution";
  readonly shape: readonly number[];
  readonly seed: bigint;
  readonly options: AnalyzeOptions;
}

/** An engine that knows small matrices exactly and remembers what it was asked. Bounds are 1e-6 apart. */
export function fakeEngine(): Engine & { readonly asked: Question[] } {
  const asked: Question[] = [];
  return {
    asked,
    async analyzeMatrix(source, options) {
      options.signal?.throwIfAborted();
      asked.push({ kind: "matrix", shape: [source.rows, source.cols], seed: options.seed, options });
      const bytes = await source.readRows(0, source.rows);
      options.onProgress?.(bytes.length);
      return analysis(source.type, bytes, source.rows, source.cols, options, 1);
    },
    async analyzeConvolution(source, options) {
      asked.push({ kind: "convolution", shape: source.kernelShape, seed: options.seed, options });
      const bytes = await source.read();
      options.onProgress?.(bytes.length);
      const [rows, ...rest] = source.kernelShape as [number, ...number[]];
      const cols = rest.reduce((a, b) => a * b, 1);
      const flat = analysis(source.type, bytes, rows, cols, options, 1);
      const scaled = analysis(source.type, bytes, rows, cols, options, CONVOLUTION_FACTOR);
      return { ...scaled, reshaped: flat.sigma };
    },
  };
}

function analysis(
  type: FloatType,
  bytes: Uint8Array,
  rows: number,
  cols: number,
  options: AnalyzeOptions,
  factor: number,
): MatrixAnalysis {
  const a = toFloat64(type, bytes);
  if (!a.every(Number.isFinite)) return { finite: false, sigma: null, frobenius: Number.NaN };
  const { sigma, u, v } = topTriple(a, rows, cols);
  const frobenius = Math.sqrt(a.reduce((sum, x) => sum + x * x, 0));
  return {
    finite: true,
    sigma: bound(sigma * factor, options),
    frobenius,
    ...(options.spectrum ? { spectrum: [sigma * factor] } : {}),
    ...(options.vectors ? { top: { u, v } } : {}),
  };
}

function bound(sigma: number, { guarantee, failureProbability = 1e-9 }: AnalyzeOptions): Bound {
  const lower = sigma * (1 - 5e-7);
  const base = { lower, guarantee, method: "exact", iterations: 7 };
  if (guarantee === "estimate") return { ...base, upper: null, estimate: sigma };
  const upper = sigma * (1 + 5e-7);
  return guarantee === "proof" ? { ...base, upper } : { ...base, upper, failureProbability };
}

/** Power iteration to convergence; the matrices of tests are small. */
function topTriple(a: Float64Array, rows: number, cols: number) {
  let v = Float64Array.from({ length: cols }, (_, i) => 1 + i / 7);
  let u = new Float64Array(rows);
  let sigma = 0;
  for (let step = 0; step < 2000; step++) {
    u = unit(u.map((_, r) => v.reduce((sum, x, c) => sum + a[r * cols + c]! * x, 0))).x;
    const w = unit(v.map((_, c) => u.reduce((sum, x, r) => sum + a[r * cols + c]! * x, 0)));
    const done = Math.abs(w.norm - sigma) <= 1e-15 * w.norm;
    v = w.x;
    sigma = w.norm;
    if (done) break;
  }
  return { sigma, u, v };
}

function unit(x: Float64Array<ArrayBuffer>): { x: Float64Array<ArrayBuffer>; norm: number } {
  const norm = Math.sqrt(x.reduce((sum, xi) => sum + xi * xi, 0));
  return { x: norm === 0 ? x : x.map((xi) => xi / norm), norm };
}
