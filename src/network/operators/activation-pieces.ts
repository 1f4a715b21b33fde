import type { ScalarFunction } from "./operation.ts";
import { compose, identity, level, line, piecewise, predicate, smooth, steps } from "./scalar.ts";
import { saturating } from "./smooth.ts";

/* Activation functions made of pieces, and functions of steps. Parameters are exact numbers. */

/** alpha·x below 0, x above. */
export function leaky(alpha: number): ScalarFunction {
  return piecewise([0], [line(alpha), identity]);
}

/** By far the most frequent one, so written out: leaky(0). */
export const relu: ScalarFunction = {
  value: (x) => Math.max(x, 0),
  slope: (x) => (x > 0 ? 1 : 0),
  image: (lo, hi) => [Math.max(lo, 0), Math.max(hi, 0)],
  slopes: (lo, hi) => [lo >= 0 && hi > 0 ? 1 : 0, hi > 0 || lo === 0 ? 1 : 0],
};

export const abs: ScalarFunction = { ...leaky(-1), value: Math.abs };

/** x kept between two limits; the upper one wins where they cross. */
export function clip(least: number, most: number): ScalarFunction {
  if (!(least < most)) return level(most);
  if (least === -Infinity && most === Infinity) return identity;
  if (least === -Infinity) return piecewise([most], [identity, level(most)]);
  if (most === Infinity) return piecewise([least], [level(least), identity]);
  return piecewise([least, most], [level(least), identity, level(most)]);
}

export function elu(alpha: number): ScalarFunction {
  return piecewise([0], [saturating(alpha), identity]);
}

export function selu(alpha: number, gamma: number): ScalarFunction {
  return compose(line(gamma), elu(alpha));
}

/** alpha > 0. */
export function celu(alpha: number): ScalarFunction {
  return piecewise([0], [saturating(alpha, alpha), identity]);
}

/** x above alpha, 0 up to it. */
export function thresholded(alpha: number): ScalarFunction {
  return piecewise([alpha], [level(0), identity], alpha !== 0);
}

/** x moved by bias towards 0 beyond ±limit ≥ 0, 0 between. */
export function shrink(limit: number, bias: number): ScalarFunction {
  const pieces = [line(1, bias), level(0), line(1, -bias)];
  const f = piecewise([-limit, limit], pieces, bias !== limit);
  return { ...f, value: (x) => (x < -limit ? x + bias : x > limit ? x - bias : 0) };
}

export function hardSigmoid(alpha: number, beta: number): ScalarFunction {
  return compose(clip(0, 1), line(alpha, beta));
}

/** x(x + 3)/6, what HardSwish is between −3 and 3. */
const hardSwishMiddle = smooth({
  value: (x) => (x * (x + 3)) / 6,
  slope: (x) => (2 * x + 3) / 6,
  slopeSize: (x) => (2 * Math.abs(x) + 3) / 6,
  ends: [0, 3],
  slopeEnds: [-0.5, 1.5],
  turns: [{ at: -1.5, value: -0.375 }],
  domain: [-3, 3],
  values: [-0.375, 3],
  slopes: [-0.5, 1.5],
});

/** x·max(0, min(1, x/6 + 1/2)). */
export const hardSwish = piecewise([-3, 3], [level(0), hardSwishMiddle, identity]);

/** The nearest whole number, the even one of two. */
function roundHalfEven(x: number): number {
  const r = Math.round(x);
  return Math.abs(x % 1) === 0.5 && r % 2 !== 0 ? r - 1 : r;
}

export const sign = steps(Math.sign);
export const floor = steps(Math.floor);
export const ceil = steps(Math.ceil);
export const round = steps(roundHalfEven);

/** 1 where x is 0. */
export const not = predicate(
  (x) => x === 0,
  (lo, hi) => (lo > 0 || hi < 0 ? false : lo === 0 && hi === 0 ? true : undefined),
);

/** Numbers that networks of real numbers compute are never NaN. */
export const notANumber = predicate(Number.isNaN, () => false);

/** Or infinite; an end of a box that is may hold rounded results that overflow. */
export function infinite(negative: boolean, positive: boolean): ScalarFunction {
  return predicate(
    (x) => (x === Infinity && positive) || (x === -Infinity && negative),
    (lo, hi) => (Number.isFinite(lo) && Number.isFinite(hi) ? false : undefined),
  );
}
