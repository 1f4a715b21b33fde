import type { RandomStream } from "../../linalg/random.ts";
import { coarsely, type System } from "./systems.ts";

/** Pairs that a network learns from: what f sees, row by row, and the change per h that it should give. */
export interface Pairs {
  readonly x: Float32Array<ArrayBuffer>;
  readonly y: Float32Array<ArrayBuffer>;
  readonly count: number;
  /** Numbers in a row of `x` and of `y`. */
  readonly inputs: number;
  readonly outputs: number;
  /** The largest |x| on the paths they come from. */
  readonly largest: number;
}

export interface PairsOptions {
  readonly paths: number;
  /** Rows, drawn at random from all that there are. */
  readonly rows: number;
  /** Standard deviation of the noise of measurement on every number, as a share of a path's largest |x| at its start. */
  readonly noise: number;
}

/** Pairs from paths of the system's training horizon, with random starts and noisy measurements of every state. */
export function drawPairs(system: System, { paths, rows, noise }: PairsOptions, stream: RandomStream): Pairs {
  const steps = Array.from({ length: paths }, () => measuredSteps(system, noise, stream)).flat();
  const { size, window, h } = system;
  const perState = window === null ? 1 : size;
  const inputs = window ?? size;
  const outputs = window === null ? size : 1;
  const count = Math.min(rows, steps.length * perState);
  const x = new Float32Array(count * inputs);
  const y = new Float32Array(count * outputs);
  for (let row = 0; row < count; row++) {
    const at = Math.floor(stream.uniform() * steps.length * perState);
    const { before, after } = steps[Math.floor(at / perState)];
    const from = coarsely(system, before);
    const middle = window === null ? 0 : at % perState;
    const first = window === null ? 0 : middle - (window >> 1) + size;
    for (let j = 0; j < inputs; j++) x[row * inputs + j] = from[(first + j) % size];
    for (let j = 0; j < outputs; j++) y[row * outputs + j] = (after[middle + j] - from[middle + j]) / h;
  }
  const largest = steps.reduce((most, { before }) => Math.max(most, largestOf(before)), 0);
  return { x, y, count, inputs, outputs, largest };
}

function measuredSteps(system: System, noise: number, stream: RandomStream) {
  let u = system.start(stream);
  const sigma = noise * largestOf(u);
  const measured = (state: Float64Array) => state.map((value) => value + sigma * stream.normal());
  let before = measured(u);
  return Array.from({ length: system.horizon }, () => {
    u = system.step(u);
    const after = measured(u);
    const step = { before, after };
    before = after;
    return step;
  });
}

export function largestOf(u: ArrayLike<number> & Iterable<number>): number {
  let most = 0;
  for (const value of u) most = Math.max(most, Math.abs(value));
  return most;
}

/** The true paths of several random starts: [step][state·number], the start included. */
export function drawPaths(
  system: System,
  count: number,
  steps: number,
  stream: RandomStream,
): Float64Array[] {
  let states = Array.from({ length: count }, () => system.start(stream));
  const out = [joined(states)];
  for (let i = 0; i < steps; i++) {
    states = states.map((u) => system.step(u));
    out.push(joined(states));
  }
  return out;
}

function joined(states: readonly Float64Array[]): Float64Array {
  return Float64Array.from(states.flatMap((u) => [...u]));
}
