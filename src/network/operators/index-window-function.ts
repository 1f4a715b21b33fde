import { mulUp } from "../../linalg/rounding.ts";
import { rootUp } from "../constants/rule.ts";
import { most, occurrences } from "./index-maps.ts";
import { eachWindow, type Windows, windowedSize } from "./index-windows.ts";
import type { GeneralOperation, Interval } from "./operation.ts";

/** A function of the n entries of one window: norms, sums, products. Buffers may be longer than n. */
export interface WindowFunction {
  value(x: Float64Array, n: number): number;
  /** Writes the gradient at x, where the value is y. */
  gradient(x: Float64Array, n: number, y: number, gradient: Float64Array): void;
  /** An interval that holds the values of all x with lo ≤ x ≤ hi, rounded outward. */
  image(lo: Float64Array, hi: Float64Array, n: number): Interval;
  /** At least the ℓ2 norm of the gradient wherever lo ≤ x ≤ hi; ∞ where none is known. */
  steepness(lo: Float64Array, hi: Float64Array, n: number): number;
}

/** Copies a window's entries into a buffer; gives their number. */
function gather(
  x: Float64Array,
  table: Int32Array,
  plane: number,
  from: number,
  to: number,
  into: Float64Array,
): number {
  let n = 0;
  for (let e = from; e < to; e++) if (table[e] >= 0) into[n++] = x[plane + table[e]];
  return n;
}

/** One result per window. */
export function perWindow(windows: Windows, f: WindowFunction): GeneralOperation {
  const { table, width } = windows;
  const results = windows.planes * windows.count;
  const buffer = () => new Float64Array(width);
  return {
    kind: "general",
    forward([x]) {
      const y = new Float64Array(results);
      const entries = buffer();
      eachWindow(windows, (window, plane, from, to) => {
        y[window] = f.value(entries, gather(x, table, plane, from, to, entries));
      });
      return y;
    },
    jvp([x], y, [dx]) {
      const dy = new Float64Array(results);
      const [entries, moves, slopes] = [buffer(), buffer(), buffer()];
      eachWindow(windows, (window, plane, from, to) => {
        const n = gather(x, table, plane, from, to, entries);
        gather(dx, table, plane, from, to, moves);
        f.gradient(entries, n, y[window], slopes);
        let sum = 0;
        for (let i = 0; i < n; i++) sum += slopes[i] * moves[i];
        dy[window] = sum;
      });
      return dy;
    },
    vjp([x], y, dy) {
      const dx = new Float64Array(x.length);
      const [entries, slopes] = [buffer(), buffer()];
      eachWindow(windows, (window, plane, from, to) => {
        const n = gather(x, table, plane, from, to, entries);
        f.gradient(entries, n, y[window], slopes);
        for (let e = from, i = 0; e < to; e++) {
          if (table[e] >= 0) dx[plane + table[e]] += dy[window] * slopes[i++];
        }
      });
      return [dx];
    },
    image([box]) {
      const image = { lo: new Float64Array(results), hi: new Float64Array(results) };
      const [lo, hi] = [buffer(), buffer()];
      eachWindow(windows, (window, plane, from, to) => {
        const n = gather(box.lo, table, plane, from, to, lo);
        gather(box.hi, table, plane, from, to, hi);
        [image.lo[window], image.hi[window]] = f.image(lo, hi, n);
      });
      return image;
    },
    local([box]) {
      let steepest = 0;
      const [lo, hi] = [buffer(), buffer()];
      eachWindow(windows, (_, plane, from, to) => {
        const n = gather(box.lo, table, plane, from, to, lo);
        gather(box.hi, table, plane, from, to, hi);
        steepest = Math.max(steepest, f.steepness(lo, hi, n));
      });
      // ‖Δy‖² ≤ Σ over windows c²‖Δx there‖², and an entry counts once for each window it is in.
      const shared = most(occurrences(table, windowedSize({ ...windows, planes: 1 })));
      const constant = shared === 1 ? steepest : mulUp(steepest, rootUp(shared));
      return Number.isFinite(constant) ? { constants: [constant], join: "sum" } : null;
    },
  };
}
