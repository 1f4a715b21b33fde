import { addUp, divUp, down, sqrtUp } from "../../linalg/rounding.ts";
import type { GeneralOperation } from "./operation.ts";
import { roundDown } from "./scalar-interval.ts";
import { sumsOfOthers } from "./softmax-groups.ts";

/** v/(|v| + others) rounded down; `others` rounded so that the quotient is below. */
function shareDown(v: number, others: number): number {
  if (v === 0) return 0;
  const size = Math.abs(v);
  if (size === Infinity) return v > 0 ? 0 : -1;
  const total = v > 0 ? addUp(size, others) : down(size + others);
  return Math.max(roundDown(v / total), -1);
}

/** x/‖x‖₁ of each group of n of `size` entries, 0 for a group of zeros. */
export function l1Normalized(size: number, n: number): GeneralOperation {
  const sums = (x: Float64Array) => {
    const all = new Float64Array(size / n);
    for (let i = 0; i < size; i++) all[Math.floor(i / n)] += Math.abs(x[i]);
    return all;
  };
  /** v/s − a·(b·v)/s² in each group, with the signs of x in the place of a or b. */
  const product = (x: Float64Array, v: Float64Array, signsFirst: boolean) => {
    const all = sums(x);
    const out = new Float64Array(size);
    for (let at = 0; at < size; at += n) {
      const s = all[at / n];
      if (s === 0) continue;
      let dot = 0;
      for (let i = at; i < at + n; i++) dot += (signsFirst ? x[i] : Math.sign(x[i])) * v[i];
      for (let i = at; i < at + n; i++) {
        out[i] = v[i] / s - ((signsFirst ? Math.sign(x[i]) : x[i]) * dot) / s / s;
      }
    }
    return out;
  };
  return {
    kind: "general",
    forward([x]) {
      const all = sums(x);
      return x.map((v, i) => (v === 0 ? 0 : v / all[Math.floor(i / n)]));
    },
    jvp: ([x], _y, [dx]) => product(x, dx, false),
    vjp: ([x], _y, dy) => [product(x, dy, true)],
    // Rises in its own entry, and shrinks towards 0 as others grow.
    image([x]) {
      const box = { lo: new Float64Array(size), hi: new Float64Array(size) };
      for (let at = 0; at < size; at += n) {
        const [lo, hi] = [x.lo.subarray(at, at + n), x.hi.subarray(at, at + n)];
        const least = sumsOfOthers(
          lo.map((l, i) => nearest(l, hi[i])),
          (a, b) => down(a + b),
        );
        const most = sumsOfOthers(
          lo.map((l, i) => Math.max(Math.abs(l), Math.abs(hi[i]))),
          addUp,
        );
        for (let i = 0; i < n; i++) {
          box.lo[at + i] = shareDown(lo[i], lo[i] > 0 ? most[i] : least[i]);
          box.hi[at + i] = -shareDown(-hi[i], hi[i] < 0 ? most[i] : least[i]);
        }
      }
      return box;
    },
    // J = (I − y·signsᵀ)/s, an oblique projection over s: ‖J‖ = ‖y‖₂√n/s ≤ √n/s.
    local([x]) {
      let smallest = Infinity;
      for (let at = 0; at < size; at += n) {
        let sum = 0;
        for (let i = at; i < at + n; i++) sum = down(sum + nearest(x.lo[i], x.hi[i]));
        smallest = Math.min(smallest, sum);
      }
      const constant = smallest > 0 ? divUp(sqrtUp(n), smallest) : Infinity;
      return constant < Infinity ? { constants: [constant], join: "sum" } : null;
    },
  };
}

/** The least |x| of an interval. */
function nearest(lo: number, hi: number): number {
  return lo <= 0 && hi >= 0 ? 0 : Math.min(Math.abs(lo), Math.abs(hi));
}
