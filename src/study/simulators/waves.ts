import type { RandomStream } from "../../linalg/random.ts";

/** A sum of the first `highest` waves with Gaussian amplitudes, on `points` of the circle: mean 0, largest |u| 1. */
export function randomWaves(points: number, highest: number, stream: RandomStream): Float64Array {
  const u = new Float64Array(points);
  for (let k = 1; k <= highest; k++) {
    const [a, b] = [stream.normal(), stream.normal()];
    for (let i = 0; i < points; i++) {
      const angle = (2 * Math.PI * k * i) / points;
      u[i]! += a * Math.cos(angle) + b * Math.sin(angle);
    }
  }
  const largest = u.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return u.map((value) => value / largest);
}
