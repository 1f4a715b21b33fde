import { rootUp } from "../constants/rule.ts";
import { eachWindow, type Windows, windowedSize } from "./index-windows.ts";
import type { Box, GeneralOperation } from "./operation.ts";

/** Which results of a maximum are asked for. */
export interface MaximumOutputs {
  readonly values: boolean;
  /** Numbers below `count` that stand for the positions of the maxima; absent where these are not asked for. */
  readonly index?: { of(position: number): number; readonly count: number } | undefined;
  /** Take the last of equal entries rather than the first. */
  readonly last?: boolean;
}

/** The position of each window's largest (sign 1) or smallest (sign −1) entry. */
function leaders(x: Float64Array, windows: Windows, sign: 1 | -1, last: boolean): Int32Array {
  const { table, planes, count } = windows;
  const found = new Int32Array(planes * count);
  eachWindow(windows, (window, plane, from, to) => {
    let best = -1;
    let value = -Infinity;
    for (let e = from; e < to; e++) {
      if (table[e] < 0) continue;
      const at = plane + table[e];
      const v = sign * x[at];
      if (best < 0 || v > value || (last && v === value)) {
        best = at;
        value = v;
      }
    }
    found[window] = best;
  });
  return found;
}

/**
 * The largest (or smallest) entry of each window, where it stands, or both one after another. Every window must hold
 * an entry.
 */
export function maximum(windows: Windows, sign: 1 | -1, outputs: MaximumOutputs): GeneralOperation {
  const { values, index, last = false } = outputs;
  const results = windows.planes * windows.count;
  const size = (values ? results : 0) + (index ? results : 0);
  const lead = (x: Float64Array) => leaders(x, windows, sign, last);
  return {
    kind: "general",
    forward([x]) {
      const y = new Float64Array(size);
      lead(x).forEach((at, i) => {
        if (values) y[i] = x[at];
        if (index) y[size - results + i] = index.of(at);
      });
      return y;
    },
    jvp([x], _, [dx]) {
      const dy = new Float64Array(size);
      if (values) {
        lead(x).forEach((at, i) => {
          dy[i] = dx[at];
        });
      }
      return dy;
    },
    vjp([x], _, dy) {
      const dx = new Float64Array(x.length);
      if (values) {
        lead(x).forEach((at, i) => {
          dx[at] += dy[i];
        });
      }
      return [dx];
    },
    image: ([box]) => imageOf(box, windows, sign, outputs),
    // Positions jump.
    local: ([box]) =>
      index ? null : { constants: [rootUp(mostContested(box, windows, sign))], join: "sum" },
  };
}

/** A maximum over a box lies between the maxima of its ends. */
function imageOf({ lo, hi }: Box, windows: Windows, sign: 1 | -1, { values, index }: MaximumOutputs): Box {
  const results = windows.planes * windows.count;
  const size = (values ? results : 0) + (index ? results : 0);
  const image = { lo: new Float64Array(size), hi: new Float64Array(size) };
  if (values) {
    leaders(lo, windows, sign, false).forEach((at, i) => {
      image.lo[i] = lo[at];
    });
    leaders(hi, windows, sign, false).forEach((at, i) => {
      image.hi[i] = hi[at];
    });
  }
  if (index) image.hi.fill(index.count - 1, size - results);
  return image;
}

/**
 * The most windows in which one entry can be the largest anywhere in the box. ‖Δy‖² ≤ Σ over windows of the largest
 * |Δx|² of the entries that can win there, so its root bounds how steep the maximum is on the box.
 */
function mostContested({ lo, hi }: Box, windows: Windows, sign: 1 | -1): number {
  const { table } = windows;
  const [low, high] = sign > 0 ? [lo, hi] : [hi, lo];
  const wins = new Int32Array(windowedSize(windows));
  let most = 0;
  const surest = leaders(low, windows, sign, false);
  eachWindow(windows, (window, plane, from, to) => {
    const threshold = sign * low[surest[window]];
    for (let e = from; e < to; e++) {
      if (table[e] < 0) continue;
      const at = plane + table[e];
      if (sign * high[at] >= threshold && ++wins[at] > most) most = wins[at];
    }
  });
  return most;
}
