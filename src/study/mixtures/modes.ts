import type { Target } from "./targets.ts";

/** A sample counts for a mode within so many standard deviations of its centre: 98.89 % of a Gaussian in the plane. */
const NEAR = 3;

/** How well a sample covers the modes of a mixture. */
export interface Coverage {
  /** Modes with at least one high-quality sample. */
  readonly modes: number;
  /** Share of samples within 3 standard deviations of a mode. A perfect sampler has 1 − e^(−9/2); more is too narrow. */
  readonly hq: number;
  /** KL(sample ‖ target) over modes, every sample counted for its nearest: 0 where all are equally likely; natural log. */
  readonly reverseKl: number;
  /** High-quality samples of the mode that has fewest. */
  readonly least: number;
}

/**
 * The protocol of Srivastava et al. 2017 (VEEGAN) and Lin et al. 2018 (PacGAN).
 * @param points [count, 2].
 */
export function coverage(points: ArrayLike<number>, { modes, spread }: Target): Coverage {
  const count = points.length / 2;
  const all = new Array<number>(modes.length).fill(0);
  const good = new Array<number>(modes.length).fill(0);
  for (let i = 0; i < count; i++) {
    const distances = modes.map(([x, y]) => Math.hypot(points[2 * i] - x, points[2 * i + 1] - y));
    const nearest = distances.reduce((best, distance, k) => (distance < distances[best] ? k : best), 0);
    all[nearest]++;
    if (distances[nearest] <= NEAR * spread) good[nearest]++;
  }
  return {
    modes: good.filter((n) => n > 0).length,
    hq: good.reduce((sum, n) => sum + n, 0) / count,
    reverseKl: divergenceFromUniform(all),
    least: Math.min(...good),
  };
}

/** KL(counts ‖ uniform) = Σ q·log(q·n) over n cases, natural log; cases without a count add nothing. */
export function divergenceFromUniform(counts: readonly number[]): number {
  const total = counts.reduce((sum, n) => sum + n, 0);
  return counts.reduce(
    (sum, n) => sum + (n === 0 ? 0 : (n / total) * Math.log((n * counts.length) / total)),
    0,
  );
}
