import type { RandomStream } from "../../linalg/random.ts";
import type { Point } from "../figures.ts";

/** A distribution in the plane that a generator is to imitate. */
export interface Target {
  readonly name: "grid" | "ring" | "roll";
  /** Centres of its modes, all of them equally likely; none for a curve. */
  readonly modes: readonly Point[];
  /** Standard deviation of either coordinate around a centre (around the curve). */
  readonly spread: number;
  /** Half the width of a square around 0 that holds it. */
  readonly extent: number;
  /** `count` points of it, [count, 2] in row-major order. */
  draw(stream: RandomStream, count: number): Float32Array<ArrayBuffer>;
}

const COORDINATES = [-2, -1, 0, 1, 2];

/** 25 Gaussians of standard deviation 0.05 at the whole numbers from −2 to 2. */
export const grid: Target = mixture(
  "grid",
  COORDINATES.flatMap((x) => COORDINATES.map((y): Point => [x, y])),
  0.05,
);

const ON_RING = 8;
const RADIUS = 2;

/** 8 Gaussians of standard deviation 0.02 on a circle of radius 2. */
export const ring: Target = mixture(
  "ring",
  Array.from({ length: ON_RING }, (_, i): Point => {
    const angle = (2 * Math.PI * i) / ON_RING;
    return [RADIUS * Math.cos(angle), RADIUS * Math.sin(angle)];
  }),
  0.02,
);

/** As in the experiments of Gulrajani et al. 2017: two coordinates of scikit-learn's Swiss roll, noise 0.25, divided by 7.5. */
const ROLL = { noise: 0.25, scale: 7.5 };

/** A spiral of one turn and a half, with Gaussian noise. */
export const roll: Target = {
  name: "roll",
  modes: [],
  spread: ROLL.noise / ROLL.scale,
  extent: 2.2,
  draw(stream, count) {
    const points = new Float32Array(2 * count);
    for (let i = 0; i < count; i++) {
      const angle = 1.5 * Math.PI * (1 + 2 * stream.uniform());
      points[2 * i] = (angle * Math.cos(angle) + ROLL.noise * stream.normal()) / ROLL.scale;
      points[2 * i + 1] = (angle * Math.sin(angle) + ROLL.noise * stream.normal()) / ROLL.scale;
    }
    return points;
  },
};

function mixture(name: Target["name"], modes: readonly Point[], spread: number): Target {
  return {
    name,
    modes,
    spread,
    extent: 2.6,
    draw(stream, count) {
      const points = new Float32Array(2 * count);
      for (let i = 0; i < count; i++) {
        const [x, y] = modes[Math.floor(modes.length * stream.uniform())];
        points[2 * i] = x + spread * stream.normal();
        points[2 * i + 1] = y + spread * stream.normal();
      }
      return points;
    },
  };
}
