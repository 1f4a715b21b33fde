import type { RandomStream } from "../../linalg/random.ts";
import { circulantMatrix } from "../simulators/circulant.ts";
import { BURGERS, HEAT, KURAMOTO } from "../simulators/equations.ts";
import { etdrk4, exponentialEuler, type PeriodicEquation } from "../simulators/etdrk4.ts";
import { pendulum } from "../simulators/pendulum.ts";
import { rk4 } from "../simulators/rk4.ts";
import { randomWaves } from "../simulators/waves.ts";

/** A cheap solver that the network corrects: `substeps` times u ← linear·u + product·u², matrices row by row. */
export interface Coarse {
  readonly substeps: number;
  readonly linear: Float64Array;
  readonly product: Float64Array;
}

/** A system whose steps are learned as x ← x + h·f(x), with x first moved by the coarse solver where there is one. */
export interface System {
  /** Numbers in a state. */
  readonly size: number;
  /** Neighbouring points that f sees, the same f at every point; null where it sees the whole state at once. */
  readonly window: number | null;
  readonly h: number;
  /** Steps of each training path. */
  readonly horizon: number;
  /** One step of the truth. */
  readonly step: (x: Float64Array) => Float64Array;
  readonly start: (stream: RandomStream) => Float64Array;
  readonly coarse: Coarse | null;
}

export type SystemName = "damped" | "undamped" | "heat" | "burgers" | "kuramoto";

export function systemNamed(name: SystemName): System {
  switch (name) {
    case "damped":
      return pendulumSystem(0.3);
    case "undamped":
      return pendulumSystem(0);
    case "heat":
      return fieldSystem(HEAT);
    case "burgers":
      return fieldSystem(BURGERS);
    case "kuramoto":
      return kuramotoSystem();
  }
}

/** Starts in a ring of radius √0.2 to 1, as Greydanus et al. 2019 draw them. */
function pendulumSystem(damping: number): System {
  const h = 0.01;
  const rate = pendulum(damping);
  return {
    size: 2,
    window: null,
    h,
    horizon: 100,
    step: (x) => rk4(rate, x, h),
    start: (stream) => {
      const radius = Math.sqrt(0.2 + 0.8 * stream.uniform());
      const angle = 2 * Math.PI * stream.uniform();
      return Float64Array.of(radius * Math.cos(angle), radius * Math.sin(angle));
    },
    coarse: null,
  };
}

/** APEBench's: 50 steps of training, starts from the first five waves. */
function fieldSystem(equation: PeriodicEquation): System {
  return {
    size: equation.points,
    window: 7,
    h: 0.1,
    horizon: 50,
    step: etdrk4(equation),
    start: (stream) => randomWaves(equation.points, 5, stream),
    coarse: null,
  };
}

/** Steps until a random start has become the chaos that it stays. */
const WARM_UP = 150;
/** Of the coarse solver: with one it explodes by itself, with two it errs by a tenth of the change. */
const SUBSTEPS = 2;
/** Waves of random starts, those included that grow fastest. */
const WAVES = 20;

function kuramotoSystem(): System {
  const field = fieldSystem(KURAMOTO);
  const { linear, product } = exponentialEuler(KURAMOTO, SUBSTEPS);
  return {
    ...field,
    start: (stream) => {
      let u = randomWaves(field.size, WAVES, stream);
      for (let i = 0; i < WARM_UP; i++) u = field.step(u);
      return u;
    },
    coarse: { substeps: SUBSTEPS, linear: circulantMatrix(linear), product: circulantMatrix(product) },
  };
}

/** A state moved by the coarse solver; itself where there is none. */
export function coarsely({ coarse, size }: System, u: Float64Array): Float64Array {
  let v = u;
  for (let step = 0; step < (coarse?.substeps ?? 0); step++) v = coarseStep(coarse!, size, v);
  return v;
}

function coarseStep({ linear, product }: Coarse, size: number, u: Float64Array): Float64Array {
  return u.map((_, row) => {
    let sum = 0;
    for (let i = 0; i < size; i++) sum += (linear[row * size + i] + product[row * size + i] * u[i]) * u[i];
    return sum;
  });
}
