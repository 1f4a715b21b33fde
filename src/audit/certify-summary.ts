import type { ClassReport, RadiiReport } from "./certify-schema.ts";

/** Points in the order of the file, right ones marked; radii of wrong ones are 0. */
export interface PointResults {
  readonly labels: Int32Array;
  readonly right: Uint8Array;
  readonly radii: Float64Array;
}

const BINS = 24;

/** Share of the first `end` points that are right. */
export function cleanShare({ right }: PointResults, end: number): number {
  return right.subarray(0, end).reduce((count, each) => count + each, 0) / end;
}

/** By ε: share of the first `end` points whose radius is larger. */
export function certifiedShares(
  { radii }: PointResults,
  epsilons: readonly number[],
  end: number,
): Record<string, number> {
  const first = radii.subarray(0, end);
  return byEpsilon(epsilons, (epsilon) => countOf(first, (radius) => radius > epsilon) / end);
}

/** By ε, under the number as JavaScript writes it. */
export function byEpsilon<T>(epsilons: readonly number[], value: (epsilon: number) => T): Record<string, T> {
  return Object.fromEntries(epsilons.map((epsilon) => [String(epsilon), value(epsilon)]));
}

/** @param attacked the shortest change found of each attacked point (0 where wrong, null where none was found). */
export function radiiReport(results: PointResults, attacked: readonly (number | null)[]): RadiiReport {
  const { radii, right } = results;
  return {
    median: lowerMedian(radii),
    histogram: histogram(radii.filter((_, i) => right[i] === 1)),
    values: [...radii],
    attacked,
  };
}

export function classReports(
  { labels, right, radii }: PointResults,
  classes: number,
  epsilons: readonly number[],
): ClassReport[] {
  return Array.from({ length: classes }, (_, label) => {
    const own = radii.filter((_, i) => labels[i] === label);
    const points = own.length;
    const share = (count: number) => (points === 0 ? null : count / points);
    const correct = labels.reduce((sum, each, i) => sum + (each === label ? right[i] : 0), 0);
    return {
      label,
      points,
      clean: share(correct),
      certified: byEpsilon(epsilons, (epsilon) => share(countOf(own, (radius) => radius > epsilon))),
      median: points === 0 ? null : lowerMedian(own),
    };
  });
}

/** The middle value; of two the smaller, so that at least half of the points have it. */
export function lowerMedian(values: Float64Array): number {
  return values.toSorted()[Math.floor((values.length - 1) / 2)];
}

function histogram(radii: Float64Array): RadiiReport["histogram"] {
  const most = radii.reduce((a, b) => Math.max(a, b), 0);
  if (most === 0) return { edges: [0, 0], counts: [radii.length] };
  const edges = Array.from({ length: BINS + 1 }, (_, i) => (most / BINS) * i);
  edges[BINS] = most;
  const counts = new Array<number>(BINS).fill(0);
  for (const radius of radii) counts[Math.min(BINS - 1, Math.floor(radius / (most / BINS)))] += 1;
  return { edges, counts };
}

function countOf(values: Float64Array, holds: (value: number) => boolean): number {
  return values.reduce((count, value) => count + (holds(value) ? 1 : 0), 0);
}
