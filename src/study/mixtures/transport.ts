import type { RandomStream } from "../../linalg/random.ts";

/** Two distributions whose Wasserstein-1 distance is known (as in Anil, Lucas & Grosse 2019, arXiv:1811.05381). */
export interface Transport {
  readonly title: string;
  readonly dimension: number;
  /** Their W1. */
  readonly distance: number;
  /** `count` points of each, [count, dimension]. */
  draw(
    stream: RandomStream,
    count: number,
  ): { near: Float32Array<ArrayBuffer>; far: Float32Array<ArrayBuffer> };
}

/** The origin against the unit sphere of ℝⁿ: every point has to move by 1. The best critic is −‖x‖, a cone. */
export function pointAndSphere(dimension: number): Transport {
  return {
    title: `point and sphere, ${dimension}-D`,
    dimension,
    distance: 1,
    draw(stream, count) {
      const far = new Float32Array(count * dimension);
      for (let i = 0; i < count; i++) far.set(stream.direction(dimension), i * dimension);
      return { near: new Float32Array(count * dimension), far };
    },
  };
}

const APEXES: readonly (readonly [number, number])[] = [
  [-2, 0],
  [0, 2],
  [2, 0],
];

/**
 * Three points of the plane against circles of radius 1 around them, too far apart for a point to be nearer to another's
 * circle: every point has to move by 1. The best critic is −min‖x − c‖, three cones.
 */
export const shiftedCones: Transport = {
  title: "three shifted cones",
  dimension: 2,
  distance: 1,
  draw(stream, count) {
    const near = new Float32Array(2 * count);
    const far = new Float32Array(2 * count);
    for (let i = 0; i < count; i++) {
      near.set(apex(stream), 2 * i);
      const [x, y] = apex(stream);
      const [dx, dy] = stream.direction(2);
      far.set([x + dx, y + dy], 2 * i);
    }
    return { near, far };
  },
};

function apex(stream: RandomStream): readonly [number, number] {
  return APEXES[Math.floor(APEXES.length * stream.uniform())];
}
