import { addUp, divUp, down, gamma, mulUp, sqrtDown, sqrtUp, up } from "../../linalg/rounding.ts";
import { centred } from "../enclose.ts";
import type { Box, GeneralOperation, Interval } from "./operation.ts";
import { meet, product, quotient, sum } from "./scalar-interval.ts";

/** What a group is divided by: a function s of the root mean square m of its entries. */
export interface Denominator {
  readonly value: (m: number) => number;
  /** s′(m)/m, 0 at m = 0. */
  readonly slope: (m: number) => number;
  /** s(m) rounded down and up, for m rounded the same way. */
  readonly down: (m: number) => number;
  readonly up: (m: number) => number;
  /** The largest m/s(m), rounded up. */
  readonly most: number;
}

/** √(m² + ε), ε > 0 (or 0, where only m > 0 has a finite slope). */
export function insideRoot(epsilon: number): Denominator {
  const value = (m: number) => Math.sqrt(m * m + epsilon);
  return {
    value,
    slope: (m) => 1 / value(m),
    down: (m) => sqrtDown(down(down(m * m) + epsilon)),
    up: (m) => sqrtUp(addUp(mulUp(m, m), epsilon)),
    most: 1,
  };
}

/** m + ε. */
export function outsideRoot(epsilon: number): Denominator {
  return {
    value: (m) => m + epsilon,
    slope: (m) => (m === 0 ? 0 : 1 / m),
    down: (m) => down(m + epsilon),
    up: (m) => addUp(m, epsilon),
    most: 1,
  };
}

/** √n·m, the Euclidean norm of n entries. */
export function euclidean(n: number): Denominator {
  const root = Math.sqrt(n);
  return {
    value: (m) => root * m,
    slope: (m) => (m === 0 ? 0 : root / m),
    down: (m) => down(sqrtDown(n) * m),
    up: (m) => mulUp(sqrtUp(n), m),
    most: divUp(1, sqrtDown(n)),
  };
}

/** y = scale·(x − mean)/s + bias over groups of n entries that lie one after another. */
export interface Normalization {
  readonly size: number;
  readonly n: number;
  /** False where nothing is subtracted. */
  readonly centred: boolean;
  readonly denominator: Denominator;
  /** For the entries of one or several groups, which the following groups share in turn; 1 and 0 when absent. */
  readonly scale?: Float64Array | undefined;
  readonly bias?: Float64Array | undefined;
}

/** d = x − mean of the group at `at`, into `d`; returns its root mean square. */
function deviations(x: Float64Array, at: number, d: Float64Array, centre: boolean): number {
  const n = d.length;
  let mean = 0;
  if (centre) {
    for (let i = 0; i < n; i++) mean += x[at + i];
    mean /= n;
  }
  let square = 0;
  for (let i = 0; i < n; i++) {
    d[i] = x[at + i] - mean;
    square += d[i] * d[i];
  }
  return Math.sqrt(square / n);
}

function subtractMean(v: Float64Array): void {
  let mean = 0;
  for (let i = 0; i < v.length; i++) mean += v[i];
  mean /= v.length;
  for (let i = 0; i < v.length; i++) v[i] -= mean;
}

/** The operation. J = diag(scale)·(P/s − k·d dᵀ) with P the subtraction of the mean and k = s′(m)/(m·n·s²). */
export function normalized(normalization: Normalization): GeneralOperation {
  const { size, n, denominator, scale, bias } = normalization;
  const shared = scale?.length ?? bias?.length ?? n;
  const d = new Float64Array(n);
  const v = new Float64Array(n);
  /** v ↦ P v/s − k d (d·v) for the group at `at`, in place. */
  const inner = (x: Float64Array, at: number) => {
    const m = deviations(x, at, d, normalization.centred);
    const s = denominator.value(m);
    if (s === 0) return void v.fill(0);
    if (normalization.centred) subtractMean(v);
    let dot = 0;
    for (let i = 0; i < n; i++) dot += d[i] * v[i];
    const k = (denominator.slope(m) * dot) / (n * s * s);
    for (let i = 0; i < n; i++) v[i] = v[i] / s - k * d[i];
  };
  return {
    kind: "general",
    forward([x]) {
      const y = new Float64Array(size);
      for (let at = 0; at < size; at += n) {
        const s = denominator.value(deviations(x, at, d, normalization.centred));
        const from = at % shared;
        for (let i = 0; i < n; i++) {
          const z = s === 0 ? 0 : d[i] / s;
          y[at + i] =
            (scale === undefined ? z : z * scale[from + i]) + (bias === undefined ? 0 : bias[from + i]);
        }
      }
      return y;
    },
    jvp([x], _y, [dx]) {
      const out = new Float64Array(size);
      for (let at = 0; at < size; at += n) {
        v.set(dx.subarray(at, at + n));
        inner(x, at);
        const from = at % shared;
        for (let i = 0; i < n; i++) out[at + i] = scale === undefined ? v[i] : v[i] * scale[from + i];
      }
      return out;
    },
    vjp([x], _y, dy) {
      const out = new Float64Array(size);
      for (let at = 0; at < size; at += n) {
        const from = at % shared;
        for (let i = 0; i < n; i++) v[i] = scale === undefined ? dy[at + i] : dy[at + i] * scale[from + i];
        inner(x, at);
        out.set(v, at);
      }
      return [out];
    },
    image: ([x]) => image(normalization, x),
    // P/s − k·d dᵀ has eigenvalues between 0 and 1/s.
    local: ([x]) => {
      let steepest = 0;
      for (let at = 0; at < size; at += n) {
        const { least } = spreadOf(normalization, part(x, at, n));
        const from = at % shared;
        let largest = scale === undefined ? 1 : 0;
        for (let i = 0; scale !== undefined && i < n; i++)
          largest = Math.max(largest, Math.abs(scale[from + i]));
        const s = denominator.down(least);
        steepest = Math.max(steepest, largest === 0 ? 0 : s === 0 ? Infinity : divUp(largest, s));
      }
      return steepest < Infinity ? { constants: [steepest], join: "sum" } : null;
    },
  };
}

function part({ lo, hi }: Box, at: number, n: number): Box {
  return { lo: lo.subarray(at, at + n), hi: hi.subarray(at, at + n) };
}

/** Enclosures over a box of one group's deviations from their mean and of their root mean square. */
interface Spread {
  readonly deviations: Box;
  readonly least: number;
  readonly most: number;
}

function spreadOf({ centred: subtracts }: Normalization, x: Box): Spread {
  const n = x.lo.length;
  if (subtracts && n === 1)
    return { deviations: { lo: new Float64Array(1), hi: new Float64Array(1) }, least: 0, most: 0 };
  if (!subtracts) return { deviations: x, ...rootMeanSquares(x) };
  if (!x.lo.every(Number.isFinite) || !x.hi.every(Number.isFinite)) {
    const everything = { lo: new Float64Array(n).fill(-Infinity), hi: new Float64Array(n).fill(Infinity) };
    return { deviations: everything, least: 0, most: Infinity };
  }
  const { centre, radius } = centred(x);
  const middle = new Float64Array(n);
  deviations(centre, 0, middle, true);
  const mean = divUp(
    centre.reduce((s, c) => addUp(s, Math.abs(c)), 0),
    n,
  );
  const radii = divUp(radius.reduce(addUp, 0), n);
  const error = 2 * gamma(n + 3);
  const box = { lo: new Float64Array(n), hi: new Float64Array(n) };
  let [off, square] = [0, 0];
  for (let i = 0; i < n; i++) {
    const wrong = mulUp(error, addUp(Math.abs(centre[i]), mean));
    // x_i − mean moves by (1 − 1/n)r_i + Σ_{j≠i} r_j/n at most.
    const reach = addUp(mulUp(radius[i], up(1 - 2 / n)), radii);
    [box.lo[i], box.hi[i]] = sum([middle[i], middle[i]], [-addUp(reach, wrong), addUp(reach, wrong)]);
    const moved = addUp(radius[i], wrong);
    off = addUp(off, mulUp(moved, moved));
    square += middle[i] * middle[i];
  }
  // Entry by entry, and as a norm: ‖P(x − c)‖ ≤ ‖x − c‖.
  const entries = rootMeanSquares(box);
  const about = 1 + 2 * gamma(n + 4);
  const m = Math.sqrt(square / n);
  const away = addUp(sqrtUp(divUp(off, n)), 2 ** -500);
  return {
    deviations: box,
    least: Math.max(entries.least, down(down(m / about) - away)),
    most: Math.min(entries.most, addUp(mulUp(m, about), away)),
  };
}

/** The least and the largest root mean square of vectors in a box. */
function rootMeanSquares({ lo, hi }: Box): { readonly least: number; readonly most: number } {
  let [least, most] = [0, 0];
  for (let i = 0; i < lo.length; i++) {
    const far = Math.max(Math.abs(lo[i]), Math.abs(hi[i]));
    const near = lo[i] <= 0 && hi[i] >= 0 ? 0 : Math.min(Math.abs(lo[i]), Math.abs(hi[i]));
    least = down(least + down(near * near));
    most = addUp(most, mulUp(far, far));
  }
  return { least: sqrtDown(down(least / lo.length)), most: sqrtUp(divUp(most, lo.length)) };
}

function image(normalization: Normalization, x: Box): Box {
  const { size, n, denominator, scale, bias } = normalization;
  const shared = scale?.length ?? bias?.length ?? n;
  const box = { lo: new Float64Array(size), hi: new Float64Array(size) };
  // One of n numbers of mean 0 (or not) is at most √(n − 1) (or √n) times their root mean square.
  const limit = mulUp(sqrtUp(normalization.centred ? n - 1 : n), denominator.most);
  for (let at = 0; at < size; at += n) {
    const { deviations, least, most } = spreadOf(normalization, part(x, at, n));
    const s: Interval = [denominator.down(least), denominator.up(most)];
    const from = at % shared;
    for (let i = 0; i < n; i++) {
      let y = meet(quotient([deviations.lo[i], deviations.hi[i]], s), [-limit, limit]);
      if (scale !== undefined) y = product(y, [scale[from + i], scale[from + i]]);
      if (bias !== undefined) y = sum(y, [bias[from + i], bias[from + i]]);
      [box.lo[at + i], box.hi[at + i]] = y;
    }
  }
  return box;
}
