/** What the spectrum of a weight is summed up by. */
export interface SpectrumSummary {
  readonly sigma: number;
  /** ‖W‖_F²/σ₁²: 1 when one direction holds everything, the number of singular values when all are equal. */
  readonly stableRank: number;
  /** The median singular value. */
  readonly tail: number;
  /** How many singular values are at least 0.9·σ₁. */
  readonly level: number;
}

/** @param spectrum decreasing, at least one value. */
export function summarizeSpectrum(spectrum: ArrayLike<number>): SpectrumSummary {
  const values = Array.from(spectrum);
  const [sigma] = values;
  const squares = values.reduce((sum, value) => sum + value * value, 0);
  return {
    sigma,
    stableRank: sigma > 0 ? squares / (sigma * sigma) : 0,
    tail: median(values),
    level: values.filter((value) => value >= 0.9 * sigma).length,
  };
}

function median(decreasing: readonly number[]): number {
  const half = decreasing.length / 2;
  return (decreasing[Math.ceil(half) - 1] + decreasing[Math.floor(half)]) / 2;
}
