import { describe, expect, it } from "vitest";
import type { ScalarFunction } from "./operation.ts";
import { normal } from "./scalar-erf.ts";
import * as activations from "./smooth.ts";
import * as elementary from "./smooth-elementary.ts";

/* Fixed-point arithmetic with BITS binary places: an independent truth for what float64 computes. */

const BITS = 400n;
const ONE = 1n << BITS;

const times = (a: bigint, b: bigint) => (a * b) >> BITS;
const over = (a: bigint, b: bigint) => (a << BITS) / b;

/** A float32 number, exactly (they are multiples of 2⁻¹⁴⁹). */
function fixed(x: number): bigint {
  const [head, shift] = [x * 2 ** 100, BITS - 100n];
  if (!Number.isInteger(head)) throw new RangeError(`${x} has too many places`);
  return BigInt(head) << shift;
}

/** To float64, its 60 leading bits cut off. */
function rounded(x: bigint): number {
  const length = BigInt((x < 0n ? -x : x).toString(2).length);
  const drop = length > 60n ? length - 60n : 0n;
  return Number(x >> drop) * 2 ** Number(drop - BITS);
}

function root(x: bigint): bigint {
  const square = x << BITS;
  let r = BigInt(Math.floor(Math.sqrt(Number(square >> 700n)))) << 350n;
  for (let k = 0; k < 20; k++) r = (r + square / r) / 2n;
  return r;
}

/** Σ terms until they vanish; each from the one before. */
function series(first: bigint, next: (term: bigint, n: bigint) => bigint): bigint {
  let [sum, term] = [first, first];
  for (let n = 1n; term !== 0n && n < 5000n; n++) {
    term = next(term, n);
    sum += term;
  }
  return sum;
}

function exp(x: bigint): bigint {
  const halvings = 10n;
  const small = x >> halvings;
  let power = series(ONE, (term, n) => times(term, small) / n);
  for (let k = 0n; k < halvings; k++) power = times(power, power);
  return power;
}

const arctanInverse = (k: bigint) =>
  series(ONE / k, (term, n) => (-term * (2n * n - 1n)) / ((2n * n + 1n) * k * k));
const PI = 16n * arctanInverse(5n) - 4n * arctanInverse(239n);

const ROOT_PI = root(PI);
const ROOT_2_PI = root(2n * PI);
const ROOT_8_OVER_PI = root(over(8n * ONE, PI));

/** ∫₀ˣ exp(−t²/c) dt, c 1 or 2. */
function gaussian(x: bigint, c: bigint): bigint {
  const square = times(x, x) / c;
  let [sum, power] = [x, x];
  for (let n = 1n; power !== 0n; n++) {
    power = -times(power, square) / n;
    sum += power / (2n * n + 1n);
  }
  return sum;
}

const density = (x: bigint) => over(exp(-times(x, x) / 2n), ROOT_2_PI);
const distribution = (x: bigint) => ONE / 2n + over(gaussian(x, 2n), ROOT_2_PI);
const logistic = (x: bigint) => over(ONE, ONE + exp(-x));
const silu = (x: bigint, a: bigint) => times(x, logistic(times(a, x)));
const CUBIC = (44715n * ONE) / 1000000n;
const doubled = (x: bigint) => times(ROOT_8_OVER_PI, x + times(CUBIC, times(x, times(x, x))));
const doubledSlope = (x: bigint) => times(ROOT_8_OVER_PI, ONE + 3n * times(CUBIC, times(x, x)));

function tanhOfSoftplus(x: bigint): bigint {
  const n = times(exp(x), exp(x) + 2n * ONE);
  return over(n, n + 2n * ONE);
}

function logisticTimes(x: bigint, z: bigint, rise: bigint): bigint {
  return logistic(z) + times(x, times(rise, times(logistic(z), logistic(-z))));
}

type Exact = (x: bigint) => bigint;

const A = Math.fround(1.702);

const TRUTHS: readonly (readonly [string, ScalarFunction, Exact, Exact])[] = [
  ["sigmoid", activations.sigmoid, logistic, (x) => times(logistic(x), logistic(-x))],
  [
    "tanh",
    activations.tanh,
    (x) => 2n * logistic(2n * x) - ONE,
    (x) => 4n * times(logistic(2n * x), logistic(-2n * x)),
  ],
  [
    "erf",
    activations.erfFunction,
    (x) => over(2n * gaussian(x, 1n), ROOT_PI),
    (x) => over(2n * exp(-times(x, x)), ROOT_PI),
  ],
  ["gelu", activations.gelu, (x) => times(x, distribution(x)), (x) => distribution(x) + times(x, density(x))],
  [
    "geluTanh",
    activations.geluTanh,
    (x) => times(x, logistic(doubled(x))),
    (x) => logisticTimes(x, doubled(x), doubledSlope(x)),
  ],
  ["silu", activations.swish(1), (x) => silu(x, ONE), (x) => logisticTimes(x, x, ONE)],
  [
    "quick gelu",
    activations.swish(A),
    (x) => silu(x, fixed(A)),
    (x) => logisticTimes(x, times(x, fixed(A)), fixed(A)),
  ],
  [
    "mish",
    activations.mish,
    (x) => times(x, tanhOfSoftplus(x)),
    (x) => {
      const t = tanhOfSoftplus(x);
      return t + times(x, times(ONE - times(t, t), logistic(x)));
    },
  ],
  ["exp", elementary.exp, exp, exp],
  [
    "elu, below 0",
    activations.saturating(2),
    (x) => (x > 0n ? 0n : 2n * (exp(x) - ONE)),
    (x) => (x > 0n ? 0n : 2n * exp(x)),
  ],
];

/** From tiny to where the functions are flat. */
const POINTS = [
  ...Array.from({ length: 121 }, (_, k) => Math.fround((k - 60) / 5.7)),
  ...[1e-4, 1e-8, 0.999, 1, 1.001, Math.SQRT2].flatMap((x) => [Math.fround(x), -Math.fround(x)]),
];

/** How far the truth may be from what float64 gave: an eighth of what the interval allows for. */
function expectInside([least, most]: readonly [number, number], value: number, truth: number): void {
  expect(least).toBeLessThanOrEqual(truth);
  expect(most).toBeGreaterThanOrEqual(truth);
  const reach = Math.min(value - least, most - value);
  if (least < value && value < most) expect(Math.abs(value - truth)).toBeLessThanOrEqual(reach / 8);
}

describe("smooth functions against 400-bit arithmetic", () => {
  it.each(TRUTHS)("%s", (name, f, value, slope) => {
    for (const x of POINTS) {
      if (name.startsWith("elu") && x > 0) continue;
      const exact = fixed(x);
      expectInside(f.image(x, x), f.value(x), rounded(value(exact)));
      expectInside(f.slopes(x, x), f.slope(x), rounded(slope(exact)));
    }
  });

  it("the normal distribution keeps its relative accuracy in its tail", () => {
    for (const x of [-1, -3.25, -7.5, -14]) {
      const truth = rounded(distribution(fixed(x)));
      expect(Math.abs(normal(x) / truth - 1)).toBeLessThan(2 ** -49);
    }
    expect(normal(-50)).toBe(0);
    expect(normal(1e300)).toBe(1);
  });

  it.each(TRUTHS)("%s turns nowhere else, as its slope and differences of it say", (_name, f) => {
    // Between neighbours of a fine grid the slope is monotone but for the turns that slopes() knows.
    const step = 1 / 64;
    for (let x = -12; x < 12; x += step) {
      const hi = x + step;
      const inside = Array.from({ length: 9 }, (_, k) => x + (step * k) / 8);
      const [least, most] = f.slopes(x, hi);
      if (!Number.isFinite(least) || !Number.isFinite(most)) continue;
      const image = f.image(x, hi);
      const outside = inside.filter(
        (y) => f.slope(y) < least || f.slope(y) > most || f.value(y) < image[0] || f.value(y) > image[1],
      );
      if (outside.length > 0) expect.fail(`at ${outside}: outside of image or slopes on [${x}, ${hi}]`);
    }
  });
});
