import type { DataArray } from "../train.ts";

/** The share of rows of `logits` [examples, classes] whose largest entry is the label's. */
export function accuracy(logits: DataArray, labels: ArrayLike<number>): number {
  const [count, classes] = logits.shape;
  let right = 0;
  for (let i = 0; i < count; i++) {
    const row = Array.from(logits.data.subarray(i * classes, (i + 1) * classes));
    if (row.indexOf(Math.max(...row)) === labels[i]) right++;
  }
  return right / count;
}

/** √(mean square error) over the standard deviation of the targets: 1 for a constant guess at their mean. */
export function normalizedError(predicted: ArrayLike<number>, targets: ArrayLike<number>): number {
  const values = Array.from(targets);
  const centre = values.reduce((sum, value) => sum + value, 0) / values.length;
  const spread = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  const missed = values.reduce((sum, value, i) => sum + (value - predicted[i]) ** 2, 0);
  return Math.sqrt(missed / spread);
}
