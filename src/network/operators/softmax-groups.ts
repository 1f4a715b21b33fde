import { addUp, down, mulUp, sqrtUp, up } from "../../linalg/rounding.ts";
import type { Box, GeneralOperation, Interval } from "./operation.ts";
import { about } from "./scalar.ts";
import { roundDown, roundUp } from "./scalar-interval.ts";

/*
 * Softmax and its kin on groups of n entries that lie one after another. Bounds over a box: entry i is
 * 1/(1 + Σ_{j≠i} e^{x_j − x_i}), which falls in every other entry and rises in its own.
 */

function expUp(x: number): number {
  return x === Infinity ? x : about(Math.exp(x))[1];
}

function expDown(x: number): number {
  return Math.max(about(Math.exp(x))[0], 0);
}

/** Sums over all entries of a group but one, of nonnegative terms, each rounded by `add`. */
export function sumsOfOthers(terms: Float64Array, add: (a: number, b: number) => number): Float64Array {
  const n = terms.length;
  const sums = new Float64Array(n);
  let before = 0;
  for (let i = 0; i < n; i++) {
    sums[i] = before;
    before = i === 0 ? terms[0] : add(before, terms[i]);
  }
  let after = 0;
  for (let i = n - 1; i >= 0; i--) {
    sums[i] = i === n - 1 ? sums[i] : i === 0 ? after : add(sums[i], after);
    after = i === n - 1 ? terms[i] : add(terms[i], after);
  }
  return sums;
}

/** The largest finite entry, or 0. */
function reference(x: Float64Array): number {
  const most = x.reduce((m, v) => (Number.isFinite(v) && v > m ? v : m), -Infinity);
  return most === -Infinity ? 0 : most;
}

/** Σ_{j≠i} e^{x_j − x_i} for every i as factor·e^shift, at the box's ends where it is largest, or smallest. */
interface Odds {
  readonly factors: Float64Array;
  /** Rounded like the factors. */
  readonly shifts: Float64Array;
}

function oddsUp(lo: Float64Array, hi: Float64Array): Odds {
  const at = reference(hi);
  const terms = hi.map((h) => expUp(roundUp(h - at)));
  return { factors: sumsOfOthers(terms, addUp), shifts: lo.map((l) => roundUp(at - l)) };
}

function oddsDown(lo: Float64Array, hi: Float64Array): Odds {
  const at = reference(lo);
  const terms = lo.map((l) => (l === -Infinity ? 0 : expDown(roundDown(l - at))));
  return {
    factors: sumsOfOthers(terms, (a, b) => down(a + b)),
    shifts: hi.map((h) => (h === Infinity ? -Infinity : roundDown(at - h))),
  };
}

/** A box made group by group. */
function boxOf(size: number, n: number, x: Box, group: (lo: Float64Array, hi: Float64Array) => Box): Box {
  const box = { lo: new Float64Array(size), hi: new Float64Array(size) };
  for (let at = 0; at < size; at += n) {
    const { lo, hi } = group(x.lo.subarray(at, at + n), x.hi.subarray(at, at + n));
    box.lo.set(lo, at);
    box.hi.set(hi, at);
  }
  return box;
}

function softmaxGroup(lo: Float64Array, hi: Float64Array): Box {
  if (lo.length === 1) return { lo: Float64Array.of(1), hi: Float64Array.of(1) };
  const most = oddsUp(lo, hi);
  const least = oddsDown(lo, hi);
  return {
    lo: lo.map((_, i) => down(1 / up(1 + mulUp(most.factors[i], expUp(most.shifts[i]))))),
    hi: hi.map((_, i) => {
      const odds = down(least.factors[i] * expDown(least.shifts[i]));
      return Math.min(1, up(1 / down(1 + odds)));
    }),
  };
}

/** log(1 + factor·e^shift) enclosed from the enclosing odds; beyond this number the 1 no longer counts. */
const LARGE = 1e300;

function logOdds({ factors, shifts }: Odds, i: number, exp: (x: number) => number): Interval {
  const odds = factors[i] * exp(shifts[i]);
  if (odds < LARGE) return about(Math.log1p(odds));
  const log = Math.log(factors[i]);
  return about(log + shifts[i], Math.abs(log) + Math.abs(shifts[i]));
}

function logSoftmaxGroup(lo: Float64Array, hi: Float64Array): Box {
  if (lo.length === 1) return { lo: new Float64Array(1), hi: new Float64Array(1) };
  const most = oddsUp(lo, hi);
  const least = oddsDown(lo, hi);
  return {
    lo: lo.map((_, i) => (shiftless(most, i) ? -logOdds(most, i, expUp)[1] : -Infinity)),
    hi: hi.map((_, i) => -Math.max(0, logOdds(least, i, expDown)[0])),
  };
}

/** False where the odds have no bound. */
function shiftless({ factors, shifts }: Odds, i: number): boolean {
  return factors[i] < Infinity && shifts[i] < Infinity;
}

/** Softmax of each group of n of `size` entries. */
export function softmaxOfGroups(size: number, n: number): GeneralOperation {
  const image = ([x]: readonly Box[]) => boxOf(size, n, x, softmaxGroup);
  // J = diag(s) − ssᵀ is symmetric and the same both ways.
  const product = (y: Float64Array, v: Float64Array) => {
    const out = new Float64Array(size);
    for (let at = 0; at < size; at += n) {
      let inner = 0;
      for (let i = at; i < at + n; i++) inner += y[i] * v[i];
      for (let i = at; i < at + n; i++) out[i] = y[i] * (v[i] - inner);
    }
    return out;
  };
  return {
    kind: "general",
    forward([x]) {
      const y = new Float64Array(size);
      for (let at = 0; at < size; at += n) {
        const most = largestOf(x, at, n);
        let sum = 0;
        for (let i = at; i < at + n; i++) {
          y[i] = Math.exp(x[i] - most);
          sum += y[i];
        }
        for (let i = at; i < at + n; i++) y[i] /= sum;
      }
      return y;
    },
    jvp: (_x, y, [dx]) => product(y, dx),
    vjp: (_x, y, dy) => [product(y, dy)],
    image,
    // λmax(J) ≤ max s_i, and ≤ max 2s_i(1 − s_i), its largest row sum of absolute values.
    local(x) {
      const { lo, hi } = image(x);
      let steepest = 0;
      for (let at = 0; at < size; at += n) {
        let [most, rows] = [0, 0];
        for (let i = at; i < at + n; i++) {
          const s = Math.min(Math.max(0.5, lo[i]), hi[i]);
          most = Math.max(most, hi[i]);
          rows = Math.max(rows, mulUp(2 * s, up(1 - s)));
        }
        steepest = Math.max(steepest, Math.min(most, rows, 0.5));
      }
      return { constants: [steepest], join: "sum" };
    },
  };
}

function largestOf(x: Float64Array, at: number, n: number): number {
  let most = -Infinity;
  for (let i = at; i < at + n; i++) if (x[i] > most) most = x[i];
  return most;
}

/** The logarithm of softmax of each group. */
export function logSoftmaxOfGroups(size: number, n: number): GeneralOperation {
  return {
    kind: "general",
    forward([x]) {
      const y = new Float64Array(size);
      for (let at = 0; at < size; at += n) {
        const most = largestOf(x, at, n);
        let sum = 0;
        for (let i = at; i < at + n; i++) sum += Math.exp(x[i] - most);
        const log = Math.log(sum);
        for (let i = at; i < at + n; i++) y[i] = x[i] - most - log;
      }
      return y;
    },
    jvp(_x, y, [dx]) {
      const out = new Float64Array(size);
      for (let at = 0; at < size; at += n) {
        let inner = 0;
        for (let i = at; i < at + n; i++) inner += Math.exp(y[i]) * dx[i];
        for (let i = at; i < at + n; i++) out[i] = dx[i] - inner;
      }
      return out;
    },
    vjp(_x, y, dy) {
      const out = new Float64Array(size);
      for (let at = 0; at < size; at += n) {
        let sum = 0;
        for (let i = at; i < at + n; i++) sum += dy[i];
        for (let i = at; i < at + n; i++) out[i] = dy[i] - Math.exp(y[i]) * sum;
      }
      return [out];
    },
    image: ([x]) => boxOf(size, n, x, logSoftmaxGroup),
    // J = I − 1sᵀ is an oblique projection, so ‖J‖ = ‖1sᵀ‖ = √n‖s‖₂; and ‖s‖₂² ≤ max s_i ≤ 1.
    local([x]) {
      let square = 0;
      for (let at = 0; at < size; at += n) {
        const { hi } = softmaxGroup(x.lo.subarray(at, at + n), x.hi.subarray(at, at + n));
        const squares = hi.reduce((sum, s) => addUp(sum, mulUp(s, s)), 0);
        square = Math.max(square, Math.min(squares, largestOf(hi, 0, n), 1));
      }
      return { constants: [mulUp(sqrtUp(n), sqrtUp(square))], join: "sum" };
    },
  };
}

/** 1 at the first largest entry of each group, 0 elsewhere: no finite slope, derivatives 0 almost everywhere. */
export function hardmaxOfGroups(size: number, n: number): GeneralOperation {
  return {
    kind: "general",
    forward([x]) {
      const y = new Float64Array(size);
      for (let at = 0; at < size; at += n) {
        let first = at;
        for (let i = at + 1; i < at + n; i++) if (x[i] > x[first]) first = i;
        y[first] = 1;
      }
      return y;
    },
    jvp: () => new Float64Array(size),
    vjp: () => [new Float64Array(size)],
    image: ([x]) =>
      boxOf(size, n, x, (lo, hi) => {
        const [least, most] = [largestOfOthers(lo), largestOfOthers(hi)];
        return { lo: lo.map((l, i) => (l > most[i] ? 1 : 0)), hi: hi.map((h, i) => (h >= least[i] ? 1 : 0)) };
      }),
  };
}

/** For each entry the largest of the others. */
function largestOfOthers(x: Float64Array): Float64Array {
  const others = new Float64Array(x.length).fill(-Infinity);
  let before = -Infinity;
  for (let i = 0; i < x.length; i++) {
    others[i] = before;
    before = Math.max(before, x[i]);
  }
  let after = -Infinity;
  for (let i = x.length - 1; i >= 0; i--) {
    others[i] = Math.max(others[i], after);
    after = Math.max(after, x[i]);
  }
  return others;
}
