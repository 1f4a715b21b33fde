import type { RandomStream } from "../../linalg/random.ts";
import { DRONE, descent, type Flight, type Force, fly, groundEffect } from "../simulators/landing.ts";
import { finite, mean } from "../statistics.ts";
import { BOUNDED } from "./measures.ts";
import type { Pairs } from "./pairs.ts";
import { evaluate, type Perceptron } from "./perceptron.ts";

const WEIGHT = DRONE.mass * DRONE.gravity;

/** Height, speed and thrust in the sizes that they have in flight. */
export function seenInFlight(z: number, v: number, u: number): [number, number, number] {
  return [z / 0.4, v / 0.2, (u / WEIGHT - 1) / 0.05];
}

export interface FlightPairsOptions {
  readonly rows: number;
  /** Standard deviation of the measured force, N, beside the wind. */
  readonly noise: number;
}

/** Seconds of a training flight, and between two heights to go to. */
const FLIGHT = 40;
const DWELL = 2;
/** Heights that the training flights are sent to; to come near the ground one has to aim below it. */
const HEIGHTS = [-0.4, 0.9] as const;

/** The residual force as measured at random moments of a flight from height to height, with a controller that knows none of it. */
export function flightPairs({ rows, noise }: FlightPairsOptions, stream: RandomStream): Pairs {
  const [low, high] = HEIGHTS;
  const heights = Array.from({ length: FLIGHT / DWELL }, () => low + (high - low) * stream.uniform());
  const flight = fly({
    steps: Math.round(FLIGHT / DRONE.step),
    start: high,
    path: (time) => [heights[Math.floor(time / DWELL) % heights.length], 0, 0],
    truth: groundEffect,
    model: () => 0,
    stream,
  });
  const x = new Float32Array(rows * 3);
  const y = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const i = Math.floor(stream.uniform() * flight.z.length);
    x.set(seenInFlight(flight.z[i], flight.v[i], flight.u[i]), row * 3);
    y[row] = flight.force[i] + noise * stream.normal();
  }
  return {
    x,
    y,
    count: rows,
    inputs: 3,
    outputs: 1,
    largest: flight.z.reduce((a, b) => Math.max(a, Math.abs(b)), 0),
  };
}

/** Landings with a learned force, ten seconds from 1.5 m. */
export function landings(f: Perceptron, count: number, stream: RandomStream): Flight[] {
  const model: Force = (z, v, u) => evaluate(f, seenInFlight(z, v, u))[0];
  return Array.from({ length: count }, () => land(model, stream));
}

export function land(model: Force, stream: RandomStream): Flight {
  const steps = Math.round(10 / DRONE.step);
  return fly({ steps, start: 1.5, path: descent(1.5), truth: groundEffect, model, stream });
}

/** Within this of the height wanted, m, during the last three seconds. */
const LANDED = 0.2;
const SETTLED = 300;

export interface LandingMeasures {
  /** Share of flights with every |z| at most ten times the largest in training. */
  readonly bounded: number;
  /** Share of flights that end within ten centimetres of the height wanted, for three seconds. */
  readonly landed: number;
  /** Root of the mean square of the height's error over all flights, m. */
  readonly error: number;
  /** |mean height error| in the last three seconds, m, averaged over flights: how high it hangs. */
  readonly drift: number;
}

export function landingMeasures(flights: readonly Flight[], largest: number): LandingMeasures {
  const share = (holds: (flight: Flight) => boolean) => flights.filter(holds).length / flights.length;
  const off = ({ z, target }: Flight) => z.map((value, i) => value - target[i]);
  const average = (values: ArrayLike<number>) => mean(finite(Array.from(values))) ?? Number.NaN;
  return {
    bounded: share(({ z }) => z.every((value) => Math.abs(value) <= BOUNDED * largest)),
    landed: share((flight) =>
      off(flight)
        .slice(-SETTLED)
        .every((value) => Math.abs(value) <= LANDED),
    ),
    error: Math.sqrt(average(flights.map((flight) => average(off(flight).map((value) => value * value))))),
    drift: average(flights.map((flight) => Math.abs(average(off(flight).slice(-SETTLED))))),
  };
}
