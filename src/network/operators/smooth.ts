import type { ScalarFunction } from "./operation.ts";
import { smooth } from "./scalar.ts";
import { erf, erfSlope, normal, normalSlope } from "./scalar-erf.ts";

/*
 * Smooth activation functions. Places and values of their turns were found to 60 digits; decimals are rounded
 * outward, those of extreme slopes to six places.
 */

function logistic(x: number): number {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}

export const sigmoid = smooth({
  value: logistic,
  slope: (x) => logistic(x) * logistic(-x),
  ends: [0, 1],
  slopeEnds: [0, 0],
  bends: [{ at: 0, value: 0.25 }],
  values: [0, 1],
  slopes: [0, 0.25],
});

export const tanh = smooth({
  value: Math.tanh,
  slope: (x) => (1 / Math.cosh(x)) * (1 / Math.cosh(x)),
  ends: [-1, 1],
  slopeEnds: [0, 0],
  bends: [{ at: 0, value: 1 }],
  values: [-1, 1],
  slopes: [0, 1],
});

export const softplus = smooth({
  value: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  slope: logistic,
  ends: [0, Infinity],
  slopeEnds: [0, 1],
  values: [0, Infinity],
  slopes: [0, 1],
});

export const softsign = smooth({
  value: (x) => x / (1 + Math.abs(x)),
  slope: (x) => 1 / (1 + Math.abs(x)) / (1 + Math.abs(x)),
  ends: [-1, 1],
  slopeEnds: [0, 0],
  bends: [{ at: 0, value: 1 }],
  values: [-1, 1],
  slopes: [0, 1],
});

export const erfFunction = smooth({
  value: erf,
  slope: erfSlope,
  ends: [-1, 1],
  slopeEnds: [0, 0],
  bends: [{ at: 0, value: 1.128379168 }],
  values: [-1, 1],
  slopes: [0, 1.128379168],
});

/** How many times its relative size the rounding of z moves sigmoid(z). */
function shift(z: number): number {
  return z > 0 ? z * logistic(-z) : -z;
}

/** x·sigmoid(ax), a ≠ 0: silu(ax)/a, which has silu's slopes. */
export function swish(a: number): ScalarFunction {
  const strain = (x: number) => 1 + shift(a * x) / 32;
  return smooth({
    value: (x) => x * logistic(a * x),
    slope: (x) => logistic(a * x) * (1 + a * x * logistic(-a * x)),
    valueSize: (x) => Math.abs(x) * logistic(a * x) * strain(x),
    slopeSize: (x) => logistic(a * x) * (1 + Math.abs(a * x) * logistic(-a * x)) * strain(x),
    ends: a > 0 ? [0, Infinity] : [-Infinity, 0],
    slopeEnds: a > 0 ? [0, 1] : [1, 0],
    turns: [{ at: -1.278464542761074 / a, value: -0.278464542761074 / a }],
    bends: [
      { at: -2.3993572805154675 / a, value: -0.09984 },
      { at: 2.3993572805154675 / a, value: 1.09984 },
    ],
    slopes: [-0.09984, 1.09984],
  });
}

/** x·Φ(x), Φ the normal distribution function. */
export const gelu = smooth({
  value: (x) => x * normal(x),
  slope: (x) => normal(x) + x * normalSlope(x),
  slopeSize: (x) => normal(x) + Math.abs(x) * normalSlope(x),
  ends: [0, Infinity],
  slopeEnds: [0, 1],
  turns: [{ at: -0.7517915246935645, value: -0.169971207479904 }],
  bends: [
    { at: -Math.SQRT2, value: -0.128905 },
    { at: Math.SQRT2, value: 1.128905 },
  ],
  slopes: [-0.128905, 1.128905],
});

const ROOT_8_OVER_PI = Math.sqrt(8 / Math.PI);
const CUBIC = 0.044715;

/** Twice the argument of GELU's tanh; ½(1 + tanh u) is sigmoid(2u). */
function doubled(x: number): number {
  return ROOT_8_OVER_PI * x * (1 + CUBIC * x * x);
}

function doubledSlope(x: number): number {
  return ROOT_8_OVER_PI * (1 + 3 * CUBIC * x * x);
}

/** Beyond it sigmoid(2u) is 0 or 1 to the last bit, and powers of x could overflow. */
const GELU_TANH_TAIL = 1e3;

/** ½x(1 + tanh(√(2/π)(x + 0.044715x³))); the argument has a few roundings. */
export const geluTanh = smooth({
  value: (x) => x * logistic(doubled(x)),
  slope: (x) => geluTanhSlope(x, x),
  valueSize: (x) => Math.abs(x) * logistic(doubled(x)) * (1 + shift(doubled(x)) / 8),
  slopeSize: (x) => geluTanhSlope(x, Math.abs(x)) * (1 + shift(doubled(x)) / 8),
  ends: [0, Infinity],
  slopeEnds: [0, 1],
  turns: [{ at: -0.7524614220710163, value: -0.170040750571255 }],
  bends: [
    { at: -1.4185040087908285, value: -0.128994 },
    { at: 1.4185040087908285, value: 1.128994 },
  ],
  slopes: [-0.128994, 1.128994],
});

/** The slope at x, its second term with the sign of `signed`. */
function geluTanhSlope(x: number, signed: number): number {
  if (Math.abs(x) > GELU_TANH_TAIL) return x > 0 ? 1 : 0;
  const s = logistic(doubled(x));
  return s + signed * s * logistic(-doubled(x)) * doubledSlope(x);
}

/** tanh(softplus(x)) = n/(n + 2) with n = eˣ(eˣ + 2), scaled by e⁻²ˣ for x > 0 so that nothing overflows. */
function tanhOfSoftplus(x: number): number {
  const e = Math.exp(-Math.abs(x));
  const [n, two] = x > 0 ? [1 + 2 * e, 2 * e * e] : [e * (e + 2), 2];
  return n / (n + two);
}

/** x·(tanh ∘ softplus)′(x) = 4x·eˣ(eˣ + 1)/(n + 2)². */
function mishRise(x: number): number {
  const e = Math.exp(-Math.abs(x));
  const n = x > 0 ? 1 + 2 * e + 2 * e * e : e * (e + 2) + 2;
  return (x * 4 * e * (1 + e) * (x > 0 ? e : 1)) / (n * n);
}

/** x·tanh(softplus(x)). */
export const mish = smooth({
  value: (x) => x * tanhOfSoftplus(x),
  slope: (x) => tanhOfSoftplus(x) + mishRise(x),
  slopeSize: (x) => tanhOfSoftplus(x) + Math.abs(mishRise(x)),
  ends: [0, Infinity],
  slopeEnds: [0, 1],
  turns: [{ at: -1.192431214515495, value: -0.308843413017251 }],
  bends: [
    { at: -2.256376396360793, value: -0.112527 },
    { at: 1.4905711794854286, value: 1.088499 },
  ],
  slopes: [-0.112527, 1.088499],
});

/** alpha·(exp(x/scale) − 1) for x ≤ 0, which ELU and its relatives follow there; alpha/scale must be exact. */
export function saturating(alpha: number, scale = 1): ScalarFunction {
  const limit = alpha / scale;
  return smooth({
    value: (x) => alpha * Math.expm1(x / scale),
    slope: (x) => limit * Math.exp(x / scale),
    slopeSize: (x) => Math.abs(limit) * Math.exp(x / scale) * (1 + Math.abs(x / scale) / 32),
    ends: [-alpha, 0],
    slopeEnds: [0, limit],
    domain: [-Infinity, 0],
    values: alpha > 0 ? [-alpha, 0] : [0, -alpha],
    slopes: alpha > 0 ? [0, limit] : [limit, 0],
  });
}
