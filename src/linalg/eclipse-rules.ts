import type { Reach } from "./eclipse-reach.ts";
import type { Stage } from "./eclipse-stage.ts";
import { Lanczos } from "./lanczos.ts";
import { RandomStream } from "./random.ts";

/**
 * How one stage's multipliers come from its reach M: pⱼ = (zᵀM_UU z)·bⱼ·e^xⱼ. They follow the size of M by
 * themselves, so that the search over x, in which z and b stay as they are, need not.
 */
export interface Rule {
  readonly z: Float64Array;
  readonly b: Float64Array;
}

/** The multipliers of a stage, and zᵀM_UU z. */
export function follow({ z, b }: Rule, { activation }: Stage, { entries, n }: Reach, x: Float64Array) {
  const { loose } = activation;
  let size = 0;
  for (let i = 0; i < z.length; i++) {
    const row = loose[i]! * n;
    let sum = 0;
    for (let j = 0; j < z.length; j++) sum += entries[row + loose[j]!]! * z[j]!;
    size += z[i]! * sum;
  }
  return { size, multipliers: b.map((value, i) => size * value * Math.exp(x[i]!)) };
}

/** The first multipliers stay this far, relatively, from the point where they stop to exist. */
const LEAST_DISTANCE = 2 ** -7;

/** Weights and sizes below this share of the largest count as this share. */
const LEAST_SHARE = 1e-9;

/**
 * The rule to start from. ECLipsE-Fast takes pⱼ = λ₁(M)·(1 + |c|/r), as if all units were alike. Units differ by orders
 * of magnitude in how far they move (a row of M) and in how much that matters further on (`weights`, g). Rescaling
 * unit j by 1/√dⱼ leaves the problem the same, so λ₁ is taken where d has balanced the two; and for a single unit,
 * gⱼr²p + κ/(p − μ) is least at p = μ + √(κ/gⱼ)/r, where κ = Σ g (c·Mⱼ)² is what it brings into the others.
 */
export function startRule({ activation }: Stage, { entries, n }: Reach, weights: Float64Array): Rule {
  const { loose, radius, center } = activation;
  const k = loose.length;
  const moving = new Float64Array(k * k);
  loose.forEach((unit, i) => {
    for (let j = 0; j < k; j++) moving[i * k + j] = entries[unit * n + loose[j]!]!;
  });
  const d = Float64Array.from(loose, (unit, i) => {
    let square = 0;
    for (let j = i * k; j < (i + 1) * k; j++) square += moving[j]! * moving[j]!;
    return Math.sqrt(square / weights[unit]!);
  });
  const least = LEAST_SHARE * d.reduce((most, value) => Math.max(most, value), 0);
  const roots = d.map((value) => Math.sqrt(Math.max(value, least)));
  for (let i = 0; i < k; i++) for (let j = 0; j < k; j++) moving[i * k + j]! /= roots[i]! * roots[j]!;
  const { value, vector } = topPair(moving, k);
  const b = Float64Array.from(loose, (unit, i) => {
    let brought = 0;
    for (let j = 0; j < n; j++) brought += weights[j]! * (center[j]! * entries[unit * n + j]!) ** 2;
    const distance = Math.sqrt(brought / weights[unit]!) / (radius[i]! * value);
    const size = roots[i]! * roots[i]!;
    const ratio = Math.abs(center[unit]!) / radius[i]!;
    return size + Math.max(distance, ratio * size, LEAST_DISTANCE * size);
  });
  return { z: vector.map((x, i) => x / roots[i]!), b };
}

/** About how much each unit of each stage matters for the output: squares of weights, as if slopes had random signs. */
export function downstreamWeights(stages: readonly Stage[]): Float64Array[] {
  const all: Float64Array[] = [];
  let after: Float64Array | undefined;
  for (const { units, next, weights, activation } of stages.toReversed()) {
    const sums = new Float64Array(units);
    for (let i = 0; i < next; i++) {
      const factor = after === undefined ? 1 : after[i]!;
      for (let j = 0; j < units; j++) sums[j]! += factor * weights[i * units + j]! * weights[i * units + j]!;
    }
    const most = sums.reduce((a, b) => Math.max(a, b), 0);
    const shares = sums.map((sum) => Math.max(sum / most, LEAST_SHARE));
    all.unshift(shares);
    const steepness = activation.center.map(Math.abs);
    activation.loose.forEach((unit, i) => {
      steepness[unit]! += activation.radius[i]!;
    });
    after = shares.map((share, j) => share * steepness[j]! * steepness[j]!);
  }
  return all;
}

const LANCZOS_STEPS = 40;

/** The largest λ of a symmetric positive semidefinite matrix, from below and not verified, and its vector. */
export function topPair(
  matrix: Float64Array,
  n: number,
): { readonly value: number; readonly vector: Float64Array } {
  if (n === 0) return { value: 0, vector: new Float64Array(0) };
  const lanczos = new Lanczos(new RandomStream(1n).direction(n), 1e-9);
  while (lanczos.steps < LANCZOS_STEPS && !lanczos.closed) lanczos.step(applied(matrix, n, lanczos.vector));
  const vector = lanczos.ritzVector();
  lanczos.release();
  return { value: lanczos.sigma * lanczos.sigma, vector };
}

function applied(matrix: Float64Array, n: number, x: Float64Array): Float64Array {
  const y = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += matrix[i * n + j]! * x[j]!;
    y[i] = sum;
  }
  return y;
}
