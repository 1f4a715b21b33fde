import type { Bound, Guarantee } from "./bound.ts";

/** What bounds of one operator are asked for. */
export interface BoundOptions {
  readonly guarantee: Guarantee;
  /** Wanted (upper − lower)/upper; default 1e-2 at `probable`, 1e-6 for matrices at `proof`. */
  readonly gap?: number | undefined;
  /** Chance, per Lanczos run, that its upper bound is wrong; default 1e-9. */
  readonly failureProbability?: number | undefined;
  readonly seed: bigint;
  /** Bytes the analysis may hold: a larger matrix is streamed, a larger Gram matrix not formed. */
  readonly memory: number;
  /** Leading singular values wanted (distinct, each within 1 %); default 0. */
  readonly spectrum?: number | undefined;
  /** Top singular vectors wanted. */
  readonly vectors?: boolean | undefined;
}

/** What an analysis of one stored weight is asked for. */
export interface AnalyzeOptions extends BoundOptions {
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of stored bytes newly read. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/** What is known of one stored matrix or kernel. */
export interface MatrixAnalysis {
  /** False when a NaN or infinity is stored; then `sigma` is null and `frobenius` NaN. */
  readonly finite: boolean;
  readonly sigma: Bound | null;
  /** ‖W‖_F of the stored numbers, rounded up: at most 1e-12 too large. */
  readonly frobenius: number;
  readonly spectrum?: readonly number[];
  /** Unit left and right singular vectors of σ₁, approximately. */
  readonly top?: { readonly u: Float64Array; readonly v: Float64Array };
}

export const DEFAULT_FAILURE_PROBABILITY = 1e-9;
export const DEFAULT_PROBABLE_GAP = 1e-2;
export const DEFAULT_PROOF_GAP = 1e-6;

/** The relative gap to aim at. */
export function wantedGap(options: {
  readonly guarantee: Guarantee;
  readonly gap?: number | undefined;
}): number {
  return options.gap ?? (options.guarantee === "proof" ? DEFAULT_PROOF_GAP : DEFAULT_PROBABLE_GAP);
}
