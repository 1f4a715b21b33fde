import type { RandomStream } from "../../linalg/random.ts";

/** A force that acts on the drone beside gravity and thrust, in newtons, at height z (m), speed v (m/s) and thrust u (N). */
export type Force = (z: number, v: number, u: number) => number;

/** The drone of Shi et al. 2019 (arXiv:1811.08027), reduced to its height. */
export const DRONE = {
  /** kg */
  mass: 1.47,
  /** m/s² */
  gravity: 9.81,
  /** Thrust is at most this many times the weight. */
  thrust: 1.7,
  /** Of the rotors above the ground when landed, m. */
  height: 0.09,
  /** How much of a new command reaches the rotors within one step. */
  delay: 0.2,
  /** s */
  step: 0.01,
  /** Standard deviation of the wind's acceleration, m/s², drawn anew every tenth of a second. */
  noise: 0.1,
} as const;

/** Effective radius of the rotors, m, with which the ground pushes with a fifth of the weight, and drag, N·s²/m². */
const RADIUS = 0.15;
const DRAG = 0.3;

/**
 * What air and ground do: near the ground rotors push 1/(1 − (R/4z)²) times as hard (Cheeseman & Bennett 1955), and drag goes with
 * the square of the speed.
 */
export const groundEffect: Force = (z, v, u) => {
  const near = (RADIUS / (4 * Math.max(0, z) + 4 * DRONE.height)) ** 2;
  return u * (near / (1 - near)) - DRAG * v * Math.abs(v);
};

export interface Flight {
  readonly z: Float64Array;
  readonly v: Float64Array;
  /** Thrust, N. */
  readonly u: Float64Array;
  /** The height wanted. */
  readonly target: Float64Array;
  /** The residual force as accelerometers tell it: m(a + g) − u. */
  readonly force: Float64Array;
}

export interface FlightOptions {
  readonly steps: number;
  /** Height at the start, m. */
  readonly start: number;
  /** Height, speed and acceleration wanted at a time in seconds. */
  readonly path: (time: number) => readonly [z: number, v: number, a: number];
  /** What the air does. */
  readonly truth: Force;
  /** What the controller believes it does, and makes up for. */
  readonly model: Force;
  readonly stream: RandomStream;
}

/** The smooth way down from `start` to 0: z = e^{−t}(1 + t)·start. */
export function descent(start: number): FlightOptions["path"] {
  return (t) => {
    const fade = start * Math.exp(-t);
    return [fade * (1 + t), -fade * t, fade * (t - 1)];
  };
}

/**
 * Flies by Euler's method with a controller that cancels the force it expects from the state and the thrust of the step before,
 * and feeds back errors of height and speed. Nothing catches the drone at z = 0: passing below it is an error like any other.
 */
export function fly({ steps, start, path, truth, model, stream }: FlightOptions): Flight {
  const { mass, gravity, step, delay } = DRONE;
  const most = DRONE.thrust * mass * gravity;
  const flight = {
    ...Object.fromEntries(["z", "v", "u", "target", "force"].map((name) => [name, new Float64Array(steps)])),
  } as unknown as Flight;
  let [z, v, u] = [start, 0, mass * gravity];
  let wind = 0;
  for (let i = 0; i < steps; i++) {
    if (i % Math.round(0.1 / step) === 0) {
      wind = DRONE.noise * Math.max(-3, Math.min(3, stream.normal()));
    }
    const [zd, vd, ad] = path(i * step);
    const command = mass * (gravity + ad - 2 * (v - vd) - (z - zd)) - model(z, v, u);
    u = Math.max(0, Math.min(most, (1 - delay) * u + delay * command));
    const force = truth(z, v, u) + mass * wind;
    flight.z[i] = z;
    flight.v[i] = v;
    flight.u[i] = u;
    flight.target[i] = zd;
    flight.force[i] = force;
    z += step * v;
    v += step * ((u + force) / mass - gravity);
  }
  return flight;
}
