/** A loss jumps from batch to batch; its mean over this share of the steps shows where it goes. */
const SHARE = 1 / 40;

/** Means over a window of so many values round each, of those that there are near the ends. */
export interface RunningMean {
  readonly mean: readonly number[];
  readonly window: number;
}

/** The running mean of a series; its window grows with the series. */
export function runningMean(values: readonly number[]): RunningMean {
  const half = Math.max(1, Math.round((values.length * SHARE) / 2));
  const sums = [0];
  for (const value of values) sums.push(sums[sums.length - 1] + value);
  const mean = values.map((_, i) => {
    const [start, end] = [Math.max(0, i - half), Math.min(values.length, i + half + 1)];
    return (sums[end] - sums[start]) / (end - start);
  });
  return { mean, window: 2 * half + 1 };
}
