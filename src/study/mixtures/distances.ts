import type { RandomStream } from "../../linalg/random.ts";

/**
 * The Wasserstein-1 distance of two samples of equal size on the line, exactly: sorted, the i-th smallest of one goes to the
 * i-th smallest of the other.
 */
export function wasserstein1d(a: Float64Array, b: Float64Array): number {
  const [x, y] = [a.toSorted(), b.toSorted()];
  return x.reduce((sum, value, i) => sum + Math.abs(value - y[i]), 0) / x.length;
}

/**
 * Sliced W1 (Rabin et al. 2011; Bonneel et al. 2015): the mean over directions of the exact W1 of the projections. At most the
 * W1 of the samples themselves.
 * @param a [count, n], b the same; directions of length 1 in ℝⁿ.
 */
export function slicedWasserstein(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  directions: readonly Float64Array[],
): number {
  const distances = directions.map((direction) =>
    wasserstein1d(projections(a, direction), projections(b, direction)),
  );
  return distances.reduce((sum, distance) => sum + distance, 0) / directions.length;
}

/** Directions of the plane at equal angles, half a turn in all. */
export function planeDirections(count: number): Float64Array[] {
  return Array.from({ length: count }, (_, i) => {
    const angle = (Math.PI * i) / count;
    return Float64Array.of(Math.cos(angle), Math.sin(angle));
  });
}

/** Directions that are uniform on the unit sphere of ℝⁿ. */
export function randomDirections(stream: RandomStream, n: number, count: number): Float64Array[] {
  return Array.from({ length: count }, () => stream.direction(n));
}

function projections(points: ArrayLike<number>, direction: Float64Array): Float64Array {
  const n = direction.length;
  return Float64Array.from({ length: points.length / n }, (_, i) => {
    let sum = 0;
    for (let k = 0; k < n; k++) sum += points[i * n + k] * direction[k];
    return sum;
  });
}
