import { circulantColumn, circulantTimes, type WaveSymbol } from "./circulant.ts";

/**
 * u_t = Lu + G(u²) on n points of the unit circle, over time steps of 1: L with the real even symbol `linear(κ)`, and
 * G = −(β/2)∂x, the convection of Burgers and of Kuramoto and Sivashinsky, with β = `convection`.
 */
export interface PeriodicEquation {
  readonly points: number;
  readonly linear: (wave: number) => number;
  readonly convection: number;
}

export type FieldStep = (u: Float64Array) => Float64Array;

/** Waves above this share of the highest are left out of products, which would fold them back (Orszag's rule). */
const KEPT = 2 / 3;

/**
 * A time step by exponential integration: exact in the linear part, Runge–Kutta of order 4 in the rest (Cox & Matthews 2002;
 * Kassam & Trefethen 2005, doi:10.1137/S1064827502410633).
 * @param substeps shorter steps that make up the one of length 1. Default 1.
 */
export function etdrk4(equation: PeriodicEquation, substeps = 1): FieldStep {
  const tau = 1 / substeps;
  const { points: n } = equation;
  const exponent = (wave: number) => tau * equation.linear(wave);
  const full = circulantColumn(n, { even: (wave) => Math.exp(exponent(wave)) });
  if (equation.convection === 0) return (u) => times(substeps, u, (v) => circulantTimes(full, v));

  const half = circulantColumn(n, { even: (wave) => Math.exp(exponent(wave) / 2) });
  const weighted = (weight: (z: number) => number) =>
    circulantColumn(
      n,
      convectionSymbol(equation, (wave) => tau * weight(exponent(wave))),
    );
  const stage = weighted((z) => phi(1, z / 2) / 2);
  const first = weighted((z) => phi(1, z) - 3 * phi(2, z) + 4 * phi(3, z));
  const middle = weighted((z) => 2 * phi(2, z) - 4 * phi(3, z));
  const last = weighted((z) => 4 * phi(3, z) - phi(2, z));

  const step: FieldStep = (u) => {
    const [uu, eu] = [squares(u), circulantTimes(half, u)];
    const a = sum(eu, circulantTimes(stage, uu));
    const aa = squares(a);
    const b = sum(eu, circulantTimes(stage, aa));
    const bb = squares(b);
    const ahead = bb.map((value, i) => 2 * value - uu[i]!);
    const c = sum(circulantTimes(half, a), circulantTimes(stage, ahead));
    return sum(
      sum(circulantTimes(full, u), circulantTimes(first, uu)),
      sum(circulantTimes(middle, sum(aa, bb)), circulantTimes(last, squares(c))),
    );
  };
  return (u) => times(substeps, u, step);
}

/**
 * Exponential Euler, order 1: u ← e^{τL} u + τφ₁(τL)G(u²). First columns of its two circulant matrices.
 * @param substeps 1/τ. Default 1.
 */
export function exponentialEuler(
  equation: PeriodicEquation,
  substeps = 1,
): { linear: Float64Array; product: Float64Array } {
  const { points: n, linear } = equation;
  const exponent = (wave: number) => linear(wave) / substeps;
  return {
    linear: circulantColumn(n, { even: (wave) => Math.exp(exponent(wave)) }),
    product: circulantColumn(
      n,
      convectionSymbol(equation, (wave) => phi(1, exponent(wave)) / substeps),
    ),
  };
}

function convectionSymbol(
  { points, convection }: PeriodicEquation,
  weight: (wave: number) => number,
): WaveSymbol {
  const highest = KEPT * Math.PI * points;
  return { odd: (wave) => (Math.abs(wave) > highest ? 0 : (-convection / 2) * wave * weight(wave)) };
}

/** φₖ(z) = Σ zʲ/(j + k)!, by its recursion, or by its series near 0 where that loses digits. */
export function phi(order: number, z: number): number {
  if (Math.abs(z) < 1) {
    let term = 1;
    for (let j = 2; j <= order; j++) term /= j;
    let value = 0;
    for (let j = 1; j < 20; j++) {
      value += term;
      term *= z / (j + order);
    }
    return value;
  }
  let value = Math.exp(z);
  let factorial = 1;
  for (let j = 0; j < order; j++) {
    if (j > 0) factorial *= j;
    value = (value - 1 / factorial) / z;
  }
  return value;
}

function times(count: number, u: Float64Array, step: FieldStep): Float64Array {
  let v = u;
  for (let i = 0; i < count; i++) v = step(v);
  return v;
}

const squares = (u: Float64Array) => u.map((value) => value * value);
const sum = (u: Float64Array, v: Float64Array) => u.map((value, i) => value + v[i]!);
