import type { AnalyzeOptions, MatrixAnalysis } from "./analyze-options.ts";
import { gramOfSource } from "./gram-slabs.ts";
import { holdMatrix, type MatrixProducts, streamMatrix } from "./held-matrix.ts";
import { matrixBounds, safeScale, zeroBound } from "./matrix-bounds.ts";
import { type MatrixSource, scaledSource, storageBytes } from "./matrix-source.ts";
import { threads as openThreads, threadsWithSelf } from "./pool.ts";
import { runIterationAsync } from "./requests.ts";

/** Below this many elements one thread finishes sooner than a second one starts. */
const THREADED_ELEMENTS = 2 ** 20;

/**
 * σ₁ and ‖·‖_F of a stored matrix, with the guarantee asked for. Reads it once (again for the Gram matrix at
 * `proof`; at every step when it is larger than `memory`).
 */
export async function analyzeMatrix(source: MatrixSource, options: AnalyzeOptions): Promise<MatrixAnalysis> {
  const { rows, cols } = source;
  if (rows === 0 || cols === 0) return { finite: true, sigma: zeroBound(), frobenius: 0 };
  const count = rows * cols >= THREADED_ELEMENTS ? options.threads : 1;
  const threads = threadsWithSelf(count);
  const fits = rows * cols * storageBytes(source.type) <= options.memory;
  const hold = (from: MatrixSource, load: AnalyzeOptions): Promise<MatrixProducts> =>
    fits ? holdMatrix(from, threads, load) : streamMatrix(from, threads, options.memory, load);
  let entries = source;
  let held = await hold(entries, options);
  try {
    let scan = await held.scan(1);
    const scale = source.type === "float64" ? safeScale(scan.maxAbs) : 1;
    if (scale !== 1) {
      await held.release();
      entries = scaledSource(source, scale);
      held = await hold(entries, { ...options, onProgress: undefined });
      scan = await held.scan(1);
    }
    const facts = { rows, cols, scan, scale, gramTerms: Math.max(rows, cols) + threads.length + 1 };
    const gramMatrix = (request: { scale: number }) =>
      gramOfSource(entries, openThreads(count), request.scale, options.memory, { signal: options.signal });
    const answers = { gram: held.products, apply: held.products, gramMatrix };
    return await runIterationAsync(matrixBounds(facts, options), answers, options.signal);
  } finally {
    await held.release();
  }
}
