import { finite, mean } from "../statistics.ts";

/** Roll-outs of several states beside the truth; states lie one after another, `size` numbers each. */
export interface Compared {
  readonly size: number;
  readonly found: readonly ArrayLike<number>[];
  readonly truth: readonly ArrayLike<number>[];
}

/** A roll-out counts as bounded while every |x| is at most this many times the largest in training. */
export const BOUNDED = 10;

/** Share of roll-outs whose largest |x| so far is within the bound. */
export function boundedShare(peaks: ArrayLike<number> & Iterable<number>, largest: number): number {
  return [...peaks].filter((peak) => peak <= BOUNDED * largest).length / peaks.length;
}

/** ‖x̂ − x‖/‖x‖ of each state at each step: [step][state]. Infinity where the roll-out is no number. */
export function relativeErrors({ size, found, truth }: Compared): number[][] {
  return found.map((states, i) => {
    const off = lengths(difference(states, truth[i]), size);
    return lengths(truth[i], size).map((length, state) => infiniteForNaN(off[state] / length));
  });
}

/** nRMSE averaged over states and steps, each at most `ceiling`, so that one roll-out that explodes is not all there is to see. */
export function meanError(errors: readonly (readonly number[])[], ceiling: number): number {
  return mean(errors.flat().map((error) => Math.min(error, ceiling)))!;
}

/** The first step whose nRMSE is above 1, averaged over states; the last step for those that stay below. */
export function stepsUntil(steps: readonly number[], errors: readonly (readonly number[])[]): number {
  const first = errors[0].map((_, state) => {
    const at = errors.findIndex((each) => each[state] > 1);
    return steps[at < 0 ? steps.length - 1 : at];
  });
  return mean(first)!;
}

export type Energy = (state: ArrayLike<number>) => number;

/** Energies of each state at each step: [step][state]. */
export function energies(series: readonly ArrayLike<number>[], size: number, energy: Energy): number[][] {
  return series.map((states) =>
    each(states, size, (from) => energy(Array.from({ length: size }, (_, i) => states[from + i]))),
  );
}

/**
 * |Ê − E|/E₀, averaged over steps and states, each at most `ceiling`: for a system that keeps its energy, the energy's drift.
 * @param found energies of the roll-outs, [step][state]; `truth` those of the true paths.
 */
export function energyDrift(
  found: readonly (readonly number[])[],
  truth: readonly (readonly number[])[],
  ceiling: number,
): number {
  const off = found.flatMap((row, i) =>
    row.map((value, state) => infiniteForNaN(Math.abs(value - truth[i][state]) / truth[0][state])),
  );
  return mean(off.map((value) => Math.min(value, ceiling)))!;
}

/** Share of steps at which the energy of a roll-out is above that of the step before by more than `slack` of its first one. */
export function riseShare(found: readonly (readonly number[])[], slack: number): number {
  const rises = found
    .slice(1)
    .flatMap((row, i) => row.map((value, state) => !(value - found[i][state] <= slack * found[0][state])));
  return rises.filter(Boolean).length / rises.length;
}

/** Share of roll-outs that go above their largest first |x| by more than `slack` of it. */
export function maximumViolations(
  first: ArrayLike<number> & Iterable<number>,
  peaks: ArrayLike<number>,
  slack: number,
): number {
  return [...first].filter((start, state) => !(peaks[state] <= (1 + slack) * start)).length / first.length;
}

/** |mean(x̂) − mean(x)| at the last step, as a share of the largest first |x|, averaged over the roll-outs that are numbers. */
export function massError({ size, found, truth }: Compared): number | null {
  const means = (states: ArrayLike<number>) =>
    each(states, size, (from) => {
      let sum = 0;
      for (let i = 0; i < size; i++) sum += states[from + i];
      return sum / size;
    });
  const largest = each(truth[0], size, (from) => {
    let most = 0;
    for (let i = 0; i < size; i++) most = Math.max(most, Math.abs(truth[0][from + i]));
    return most;
  });
  const [last, wanted] = [means(found.at(-1)!), means(truth.at(-1)!)];
  return mean(finite(last.map((value, state) => Math.abs(value - wanted[state]) / largest[state])));
}

/** Lengths ‖x‖₂ of states in a row. */
export function lengths(states: ArrayLike<number>, size: number): number[] {
  return each(states, size, (from) => {
    let sum = 0;
    for (let i = 0; i < size; i++) sum += states[from + i] ** 2;
    return Math.sqrt(sum);
  });
}

export function difference(a: ArrayLike<number>, b: ArrayLike<number>): Float64Array {
  return Float64Array.from({ length: a.length }, (_, i) => a[i] - b[i]);
}

/** Δ·Σ_{i<n} Kⁱ: how far n steps can lead astray when one step errs by at most Δ and stretches differences by at most K. */
export function errorBound(delta: number, stretch: number, steps: number): number {
  return delta * (stretch === 1 ? steps : Math.expm1(steps * Math.log(stretch)) / (stretch - 1));
}

function each<T>(states: ArrayLike<number>, size: number, measure: (from: number) => T): T[] {
  return Array.from({ length: states.length / size }, (_, state) => measure(state * size));
}

function infiniteForNaN(value: number): number {
  return Number.isNaN(value) ? Number.POSITIVE_INFINITY : value;
}
