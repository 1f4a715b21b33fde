import { squaresUp } from "./eclipse-reach.ts";
import { scaleToUnit, sqrtUp, up } from "./rounding.ts";

/** Per-unit slopes of one activation; each array has one entry per unit. α ≤ β, finite. */
export interface SlopeRange {
  readonly min: Float64Array;
  readonly max: Float64Array;
}

/** Radii below this share of the centre are raised to it: wider slopes are sound, smaller radii divide badly. */
const LEAST_RADIUS = 2 ** -60;

/** An activation's slopes as centre ± radius, times a power of two, without the units that are always 0. */
export interface Activation {
  /** Indices of the units kept. */
  readonly kept: Int32Array;
  /** Per unit kept. */
  readonly center: Float64Array;
  /** Places, among the kept units, of those whose slope is not fixed. */
  readonly loose: Int32Array;
  /** Per loose unit; center ± radius encloses the scaled range. */
  readonly radius: Float64Array;
  /** The power of two. */
  readonly scale: number;
  /** max(|α|, |β|) over all units, not scaled. */
  readonly steepest: number;
}

/** The activation in the form the bound works with. */
export function activationOf({ min, max }: SlopeRange): Activation {
  let steepest = 0;
  for (let i = 0; i < min.length; i++) steepest = Math.max(steepest, Math.abs(min[i]!), Math.abs(max[i]!));
  const scale = steepest > 0 ? scaleToUnit(steepest) : 1;
  const kept: number[] = [];
  const center: number[] = [];
  const loose: number[] = [];
  const radius: number[] = [];
  for (let i = 0; i < min.length; i++) {
    if (min[i] === 0 && max[i] === 0) continue;
    const low = scaled(min[i]!, scale, -1);
    const high = scaled(max[i]!, scale, 1);
    const c = (low + high) / 2;
    const r = Math.max(difference(high, c), difference(c, low));
    if (r > 0) {
      loose.push(kept.length);
      radius.push(Math.max(r, LEAST_RADIUS * Math.abs(c)));
    }
    kept.push(i);
    center.push(c);
  }
  return {
    kept: Int32Array.from(kept),
    center: Float64Array.from(center),
    loose: Int32Array.from(loose),
    radius: Float64Array.from(radius),
    scale,
    steepest,
  };
}

/** x · scale, moved outward where the product is subnormal and lost digits. */
function scaled(x: number, scale: number, outward: number): number {
  const product = x * scale;
  return product / scale === x ? product : product + outward * Number.MIN_VALUE;
}

/** a − b rounded up, a ≥ b; exactly 0 only where a = b. */
function difference(a: number, b: number): number {
  return a === b ? 0 : up(a - b);
}

/** One activation and the matrix behind it, restricted to the units that count and scaled by powers of two. */
export interface Stage {
  readonly activation: Activation;
  /** Units of the activation. */
  readonly units: number;
  /** Rows of the matrix. */
  readonly next: number;
  /** V, next × units, row-major. */
  readonly weights: Float64Array;
  /** fl(V · diag(center)). */
  readonly centered: Float64Array;
  /** Upper bound of ‖centered‖_F. */
  readonly frobenius: number;
}

/** @param weights next × units for the kept units, entries of about 1 at most. */
export function stageOf(activation: Activation, weights: Float64Array, next: number): Stage {
  const { center } = activation;
  const units = center.length;
  const centered = weights.map((w, i) => w * center[i % units]!);
  let sum = 0;
  for (let i = 0; i < centered.length; i++) sum += centered[i]! * centered[i]!;
  return {
    activation,
    units,
    next,
    weights,
    centered,
    frobenius: sqrtUp(squaresUp(sum, centered.length)),
  };
}

/** Rows and columns of a row-major matrix with `cols` columns. */
export function submatrix(
  entries: Float64Array,
  cols: number,
  keptRows: Int32Array,
  keptCols: Int32Array,
): Float64Array {
  const sub = new Float64Array(keptRows.length * keptCols.length);
  let to = 0;
  for (const i of keptRows) for (const j of keptCols) sub[to++] = entries[i * cols + j]!;
  return sub;
}
