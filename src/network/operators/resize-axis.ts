import {
  equals,
  exactly,
  floor,
  HALF,
  isLess,
  minus,
  ONE,
  over,
  plus,
  type Rational,
  ratio,
  times,
  toNumber,
  ZERO,
} from "./rational.ts";
import { type AxisMatrix, axisMatrix } from "./sum-parts.ts";

/** How one axis is resampled. */
export interface AxisResampling {
  readonly size: number;
  readonly outputs: number;
  /** Outputs per input, exact. */
  readonly scale: Rational;
  /** How positions of the output become coordinates of the input, as ONNX names it. */
  readonly coordinates: string;
  /** Start and end of the region, in shares of the axis (tf_crop_and_resize). */
  readonly region: readonly [number, number];
}

/** How entries near a coordinate are combined. */
export interface Interpolation {
  readonly mode: "linear" | "cubic";
  /** The cubic coefficient a. */
  readonly a: number;
  /** Leave out what lies outside the axis, instead of repeating its ends. */
  readonly excludeOutside: boolean;
  /** Widen the filter when there are fewer outputs than inputs. */
  readonly antialias: boolean;
}

const TWO = ratio(2, 1);

/** The coordinate of output i, exact. */
function coordinate(axis: AxisResampling, i: number): Rational {
  const { size, outputs, scale, coordinates, region } = axis;
  const centre = plus(ratio(i, 1), HALF);
  const last = ratio(size - 1, 1);
  switch (coordinates) {
    case "asymmetric":
      return over(ratio(i, 1), scale);
    case "tf_half_pixel_for_nn":
      return over(centre, scale);
    case "pytorch_half_pixel":
      return outputs > 1 ? minus(over(centre, scale), HALF) : ZERO;
    case "align_corners":
      return outputs > 1 ? times(ratio(i, outputs - 1), last) : ZERO;
    case "half_pixel_symmetric": {
      // What the output covers is centred on the input, whatever was rounded away of its size.
      const covered = over(ratio(outputs, 1), times(scale, TWO));
      return minus(plus(minus(ratio(size, 2), covered), over(centre, scale)), HALF);
    }
    case "tf_crop_and_resize": {
      const [start, end] = region.map(exactly);
      if (outputs === 1) return times(times(plus(start, end), HALF), last);
      return times(plus(start, times(ratio(i, outputs - 1), minus(end, start))), last);
    }
    default:
      return minus(over(centre, scale), HALF);
  }
}

const f = Math.fround;

/**
 * The coordinate of output i as runtimes compute it, in float32: which entry is nearest, and whether it lies outside,
 * is decided by it.
 */
function roundedCoordinate(axis: AxisResampling, i: number): number {
  const { size, outputs, coordinates, region } = axis;
  const scale = f(toNumber(axis.scale));
  const halfPixel = () => f(f((i + 0.5) / scale) - 0.5);
  switch (coordinates) {
    case "asymmetric":
      return f(i / scale);
    case "tf_half_pixel_for_nn":
      return f((i + 0.5) / scale);
    case "pytorch_half_pixel":
      return outputs > 1 ? halfPixel() : 0;
    case "align_corners":
      return outputs > 1 ? f(f(i * (size - 1)) / (outputs - 1)) : 0;
    case "half_pixel_symmetric": {
      const adjustment = f(outputs / f(scale * size));
      return f(f((size / 2) * f(1 - adjustment)) + (i + 0.5) / scale - 0.5);
    }
    case "tf_crop_and_resize": {
      const [start, end] = region;
      if (outputs === 1) return f(0.5 * f(start + end) * (size - 1));
      return f(f(start * (size - 1)) + f(f(f(i * f(end - start)) * (size - 1)) / (outputs - 1)));
    }
    default:
      return halfPixel();
  }
}

/** The whole number nearest to x, halves away from 0. */
function rounded(x: number): number {
  return Math.sign(x) * Math.floor(Math.abs(x) + 0.5);
}

function nearest(x: number, mode: string, shrinks: boolean): number {
  switch (mode) {
    case "floor":
      return Math.floor(x);
    case "ceil":
      return Math.ceil(x);
    case "round_prefer_ceil":
      return rounded(x);
    case "simple":
      return shrinks ? Math.ceil(x) : Math.trunc(x);
    default:
      return x === Math.trunc(x) + 0.5 ? Math.floor(x) : rounded(x);
  }
}

/** Which outputs lie outside the axis, and take the extrapolation value. */
function isOutside(axis: AxisResampling, x: number): boolean {
  return axis.coordinates === "tf_crop_and_resize" && (x < 0 || x > axis.size - 1);
}

/** The entry each output copies, −1 for none. @param mode "simple" for operator sets before 11. */
export function nearestPositions(axis: AxisResampling, mode: string): Int32Array {
  return Int32Array.from({ length: axis.outputs }, (_, i) => {
    const x = roundedCoordinate(axis, i);
    if (isOutside(axis, x)) return -1;
    return Math.min(Math.max(nearest(x, mode, isLess(axis.scale, ONE)), 0), axis.size - 1);
  });
}

type Tap = readonly [position: number, weight: Rational];

/** Keys's cubic kernel at distance x ≥ 0 (1981, "Cubic convolution interpolation for digital image processing"). */
function cubic(x: Rational, a: Rational): Rational {
  if (isLess(x, ONE)) {
    const inner = minus(times(plus(a, TWO), x), plus(a, ratio(3, 1)));
    return plus(times(times(inner, x), x), ONE);
  }
  if (!isLess(x, TWO)) return ZERO;
  const inner = plus(times(minus(x, ratio(5, 1)), x), ratio(8, 1));
  return times(minus(times(inner, x), ratio(4, 1)), a);
}

function kernel(x: Rational, { mode, a }: Interpolation): Rational {
  const distance = x.n < 0n ? { n: -x.n, d: x.d } : x;
  if (mode === "cubic") return cubic(distance, exactly(a));
  return isLess(distance, ONE) ? minus(ONE, distance) : ZERO;
}

/** Entries around a coordinate with their weights, before the ends of the axis are seen to. */
function taps(axis: AxisResampling, how: Interpolation, i: number): readonly Tap[] {
  const x = coordinate(axis, i);
  const reach = how.mode === "cubic" ? 2 : 1;
  if (!how.antialias) {
    const first = floor(x) - reach + 1;
    return Array.from({ length: 2 * reach }, (_, k) => [
      first + k,
      kernel(minus(ratio(first + k, 1), x), how),
    ]);
  }
  // Pillow's filter: as wide as the outputs lie apart.
  const narrow = isLess(axis.scale, ONE) ? axis.scale : ONE;
  const support = over(ratio(reach, 1), narrow);
  const first = floor(plus(minus(plus(x, HALF), support), HALF));
  const end = floor(plus(plus(plus(x, HALF), support), HALF));
  return Array.from({ length: end - first }, (_, k) => [
    first + k,
    kernel(times(minus(ratio(first + k, 1), x), narrow), how),
  ]);
}

/** One row: the weights of the entries, those outside left out or given to the ends, no entry twice. */
function row(axis: AxisResampling, how: Interpolation, i: number): readonly Tap[] {
  const all = taps(axis, how, i);
  const inside = ([p]: Tap) => p >= 0 && p < axis.size;
  const used = how.excludeOutside ? all.filter(inside) : all;
  const merged = new Map<number, Rational>();
  for (const [p, weight] of used) {
    if (weight.n === 0n) continue;
    const at = Math.min(Math.max(p, 0), axis.size - 1);
    const before = merged.get(at);
    merged.set(at, before === undefined ? weight : plus(before, weight));
  }
  if (!how.excludeOutside && !how.antialias) return [...merged];
  const total = [...merged.values()].reduce(plus, ZERO);
  return total.n === 0n ? [...merged] : [...merged].map(([p, weight]) => [p, over(weight, total)] as const);
}

/**
 * The matrix that interpolates along one axis, and which outputs lie outside it (their rows are empty). Weights are
 * computed as exact fractions, then rounded.
 */
export function interpolation(
  axis: AxisResampling,
  how: Interpolation,
): { readonly matrix: AxisMatrix; readonly outside: readonly boolean[] } {
  const outside = Array.from({ length: axis.outputs }, (_, i) => isOutside(axis, roundedCoordinate(axis, i)));
  const exact = outside.map((out, i) => (out ? [] : row(axis, how, i)));
  const rows = exact.map((taps) => taps.map(([p, weight]) => [p, toNumber(weight)] as const));
  const same = exact.every((taps, i) => taps.every(([, weight], k) => equals(weight, rows[i][k][1])));
  return { matrix: axisMatrix(rows, axis.size, same ? 0 : 3), outside };
}
