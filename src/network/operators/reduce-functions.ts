import { addUp, divUp, down, mulUp, sqrtDown, sqrtUp } from "../../linalg/rounding.ts";
import { rootUp } from "../constants/rule.ts";
import type { WindowFunction } from "./index-window-function.ts";
import type { Interval } from "./operation.ts";
import { about } from "./scalar.ts";
import { EVERYTHING, product, sum } from "./scalar-interval.ts";

/** Smallest and largest |x| for lo ≤ x ≤ hi. */
function smallest(lo: number, hi: number): number {
  return lo > 0 ? lo : hi < 0 ? -hi : 0;
}

function largest(lo: number, hi: number): number {
  return Math.max(-lo, hi);
}

/** Σ|x|. */
export const absoluteSum: WindowFunction = {
  value(x, n) {
    let total = 0;
    for (let i = 0; i < n; i++) total += Math.abs(x[i]);
    return total;
  },
  gradient(x, n, _, gradient) {
    for (let i = 0; i < n; i++) gradient[i] = Math.sign(x[i]);
  },
  image(lo, hi, n) {
    let [least, most] = [smallest(lo[0], hi[0]), largest(lo[0], hi[0])];
    for (let i = 1; i < n; i++) {
      least = down(least + smallest(lo[i], hi[i]));
      most = addUp(most, largest(lo[i], hi[i]));
    }
    return [least, most];
  },
  steepness: (_lo, _hi, n) => rootUp(n),
};

function squares(lo: Float64Array, hi: Float64Array, n: number): Interval {
  let [least, most] = [0, 0];
  for (let i = 0; i < n; i++) {
    const [a, b] = [smallest(lo[i], hi[i]), largest(lo[i], hi[i])];
    if (a > 0) least = down(least + down(a * a));
    if (b > 0) most = addUp(most, mulUp(b, b));
  }
  return [least, most];
}

function squared(x: Float64Array, n: number): number {
  let total = 0;
  for (let i = 0; i < n; i++) total += x[i] * x[i];
  return total;
}

/** Σx². */
export const sumOfSquares: WindowFunction = {
  value: squared,
  gradient(x, n, _, gradient) {
    for (let i = 0; i < n; i++) gradient[i] = 2 * x[i];
  },
  image: squares,
  steepness: (lo, hi, n) => 2 * sqrtUp(squares(lo, hi, n)[1]),
};

/** √Σx². */
export const euclideanNorm: WindowFunction = {
  value: (x, n) => Math.sqrt(squared(x, n)),
  gradient(x, n, y, gradient) {
    // At 0, where it has a kink, 0 is one of its generalised gradients.
    for (let i = 0; i < n; i++) gradient[i] = y > 0 ? x[i] / y : 0;
  },
  image(lo, hi, n) {
    const [least, most] = squares(lo, hi, n);
    return [sqrtDown(least), sqrtUp(most)];
  },
  steepness: () => 1,
};

/** The largest entry and log Σ exp(x − it), which is at most log n. */
function logSumExpTerms(x: Float64Array, n: number): readonly [top: number, rest: number] {
  let top = -Infinity;
  for (let i = 0; i < n; i++) top = Math.max(top, x[i]);
  if (!Number.isFinite(top)) return [top, 0];
  let total = 0;
  for (let i = 0; i < n; i++) total += Math.exp(x[i] - top);
  return [top, Math.log(total)];
}

/** The interval around log Σ exp x at one point, which may lie at infinity. */
function logSumExpAround(x: Float64Array, n: number): Interval {
  const [top, rest] = logSumExpTerms(x, n);
  // The sum's own n roundings (2⁻⁵³ each) count where n is large.
  return about(top + rest, Number.isFinite(top) ? Math.abs(top) + rest + 1 + n / 128 : undefined);
}

/** log Σ exp x, which grows with each entry. */
export const logSumExp: WindowFunction = {
  value(x, n) {
    const [top, rest] = logSumExpTerms(x, n);
    return top + rest;
  },
  gradient(x, n, y, gradient) {
    for (let i = 0; i < n; i++) gradient[i] = Math.exp(x[i] - y);
  },
  image: (lo, hi, n) => [logSumExpAround(lo, n)[0], logSumExpAround(hi, n)[1]],
  // Its gradient is a softmax.
  steepness: () => 1,
};

function sums(lo: Float64Array, hi: Float64Array, n: number): Interval {
  let total: Interval = [0, 0];
  for (let i = 0; i < n; i++) total = sum(total, [lo[i], hi[i]]);
  return total;
}

/** log Σx. */
export const logSum: WindowFunction = {
  value(x, n) {
    let total = 0;
    for (let i = 0; i < n; i++) total += x[i];
    return Math.log(total);
  },
  gradient(x, n, _, gradient) {
    let total = 0;
    for (let i = 0; i < n; i++) total += x[i];
    for (let i = 0; i < n; i++) gradient[i] = 1 / total;
  },
  image(lo, hi, n) {
    const [least, most] = sums(lo, hi, n);
    if (!(least > 0)) return most > 0 ? [-Infinity, about(Math.log(most))[1]] : EVERYTHING;
    return [about(Math.log(least))[0], about(Math.log(most))[1]];
  },
  steepness(lo, hi, n) {
    const [least] = sums(lo, hi, n);
    return least > 0 ? divUp(rootUp(n), least) : Infinity;
  },
};

/** Πx. */
export const productOfAll: WindowFunction = {
  value(x, n) {
    let total = 1;
    for (let i = 0; i < n; i++) total *= x[i];
    return total;
  },
  gradient(x, n, _, gradient) {
    // Products of what stands before each entry, then times those of what stands behind it.
    let before = 1;
    for (let i = 0; i < n; i++) {
      gradient[i] = before;
      before *= x[i];
    }
    let behind = 1;
    for (let i = n - 1; i >= 0; i--) {
      gradient[i] *= behind;
      behind *= x[i];
    }
  },
  image(lo, hi, n) {
    let total: Interval = [1, 1];
    for (let i = 0; i < n; i++) total = product(total, [lo[i], hi[i]]);
    return total;
  },
  steepness(lo, hi, n) {
    const others = new Float64Array(n);
    let before = 1;
    for (let i = 0; i < n; i++) {
      others[i] = before;
      before = mulUp(before, largest(lo[i], hi[i]));
    }
    let behind = 1;
    let total = 0;
    for (let i = n - 1; i >= 0; i--) {
      const other = mulUp(others[i], behind);
      total = addUp(total, mulUp(other, other));
      behind = mulUp(behind, largest(lo[i], hi[i]));
    }
    return sqrtUp(total);
  },
};
