import type { Metrics } from "../study.ts";
import type { Memory } from "./memory.ts";
import type { SequenceTask } from "./tasks.ts";
import type { Training } from "./training.ts";

/** Gradients as shares of the one that starts at the last step: what a lag leaves of it. */
function kept({ gradients }: Memory): number[] {
  return gradients.map((gradient) => gradient / gradients[0]);
}

/** What is left of a gradient at the first step, the norms of a step, and how near gradients come to their bound. */
export function memoryMetrics(start: Memory, end: Memory): Metrics {
  return {
    kept: { start: kept(start).at(-1)!, end: kept(end).at(-1)! },
    stepNorm: { start: start.stepNorm, end: end.stepNorm },
    smallest: { start: start.smallest, end: end.smallest },
    ofBound: start.stepNorm === null ? null : Math.max(shareOfBound(start), shareOfBound(end)),
  };
}

/** The largest share of its bound stepNorm^lag that a gradient reaches, over all lags but 0. */
function shareOfBound(memory: Memory): number {
  const logs = kept(memory)
    .slice(1)
    .map((share, i) => Math.log(share) - (i + 1) * Math.log(memory.stepNorm!));
  return Math.exp(Math.max(...logs));
}

/** What the figures draw. */
export interface RnnDetail {
  readonly memoryless: number;
  readonly curve: Training["curve"];
  readonly lags: readonly number[];
  readonly start: LagDetail;
  readonly end: LagDetail;
}

export interface LagDetail {
  /** By lag, as shares of that at lag 0. */
  readonly kept: readonly number[];
  readonly stepNorm: number | null;
}

const LAGS_SHOWN = 110;

export function detailOf(
  { memoryless }: SequenceTask,
  { curve }: Training,
  start: Memory,
  end: Memory,
): RnnDetail {
  const all = start.gradients.length;
  const every = Math.ceil(all / LAGS_SHOWN);
  const lags = Array.from({ length: all }, (_, lag) => lag).filter(
    (lag) => lag % every === 0 || lag === all - 1,
  );
  const shown = (memory: Memory) => {
    const shares = kept(memory);
    return { kept: lags.map((lag) => rounded(shares[lag])), stepNorm: memory.stepNorm };
  };
  const y = curve.y.map(rounded);
  return { memoryless, curve: { x: curve.x, y }, lags, start: shown(start), end: shown(end) };
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
