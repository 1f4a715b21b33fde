import { gamma } from "../../linalg/rounding.ts";
import { centred } from "../enclose.ts";
import { type Products, readBox } from "./bilinear.ts";
import { multiplier } from "./block-product.ts";
import type { Box } from "./operation.ts";
import { roundDown, roundUp } from "./scalar-interval.ts";

/** Far more than what underflow can add to a sum of products. */
const UNDERFLOW = 2 ** -1000;

/** Up to so many multiplications every product of two intervals is formed by itself. */
const FEW = 1 << 16;

/** A box that holds the products of all matrices in two boxes. */
export function bilinearImage(products: Products, a: Box, b: Box): Box {
  const { rows: m, inner: k, cols: n, left, right, factor } = products;
  const batch = left.begins.length;
  const size = m * n;
  const result = { lo: new Float64Array(batch * size), hi: new Float64Array(batch * size) };
  const finite = [a.lo, a.hi, b.lo, b.hi].every((x) => x.every(Number.isFinite));
  const image = finite && size * k * batch > FEW ? matrixImage(m, k, n) : entryImage(m, k, n);
  for (let t = 0; t < batch; t++) {
    const { lo, hi } = image(
      readBox(a, left, left.begins[t], m, k),
      readBox(b, right, right.begins[t], k, n),
    );
    for (let i = 0; i < size; i++) {
      const [low, high] = factor < 0 ? [hi[i], lo[i]] : [lo[i], hi[i]];
      const at = t * size + i;
      result.lo[at] = factor === 1 ? low : roundDown(times(factor, low));
      result.hi[at] = factor === 1 ? high : roundUp(times(factor, high));
    }
  }
  return result;
}

/** A box that holds the product of matrices in two boxes. */
export type ProductImage = (a: Box, b: Box) => Box;

/** An end of an unbounded interval stands for numbers that are all finite, so 0 times it is 0. */
function times(x: number, y: number): number {
  return x === 0 || y === 0 ? 0 : x * y;
}

/** Interval arithmetic, each product by its four corners; roundings of the sums are added at the end. */
export function entryImage(m: number, k: number, n: number): ProductImage {
  const error = 2 * gamma(k + 2);
  const floor = (k + 1) * UNDERFLOW;
  return (a, b) => {
    const box = { lo: new Float64Array(m * n), hi: new Float64Array(m * n) };
    const sizes = new Float64Array(n);
    for (let i = 0; i < m; i++) {
      sizes.fill(0);
      for (let p = 0; p < k; p++) {
        const [al, ah] = [a.lo[i * k + p], a.hi[i * k + p]];
        for (let j = 0; j < n; j++) {
          const [bl, bh] = [b.lo[p * n + j], b.hi[p * n + j]];
          const [w, x, y, z] = [times(al, bl), times(al, bh), times(ah, bl), times(ah, bh)];
          const least = Math.min(w, x, y, z);
          const most = Math.max(w, x, y, z);
          box.lo[i * n + j] += least;
          box.hi[i * n + j] += most;
          sizes[j] += Math.max(-least, most);
        }
      }
      for (let j = 0; j < n; j++) {
        const by = error * sizes[j] + floor;
        box.lo[i * n + j] = roundDown(box.lo[i * n + j] - by);
        box.hi[i * n + j] = roundUp(box.hi[i * n + j] + by);
      }
    }
    return box;
  };
}

/**
 * The same by products of whole matrices of finite boxes. Where one operand has no negative numbers (probabilities)
 * its ends meet the other's by sign, which is exact. Otherwise by middles and radii (Rump 1999, "Fast and parallel
 * interval arithmetic"), at most 1.5 times as wide as the exact interval.
 */
export function matrixImage(m: number, k: number, n: number): ProductImage {
  return (a, b) => {
    const of = multiplier(m, k, n);
    const multiply = (x: Float64Array, y: Float64Array) => of.multiply(x, y);
    const [first, second] = [isNonnegative(a), isNonnegative(b)];
    const found = first
      ? signed(b, (end, other) => multiply(end, other), a)
      : second
        ? signed(a, (end, other) => multiply(other, end), b)
        : aroundMiddles(multiply, a, b);
    const sizes = multiply(magnitudes(a), magnitudes(b));
    of.release();
    const error = 2 * gamma(3 * k + 8);
    const floor = (3 * k + 8) * UNDERFLOW;
    return {
      lo: found.lo.map((v, i) => roundDown(v - (error * sizes[i] + floor))),
      hi: found.hi.map((v, i) => roundUp(v + (error * sizes[i] + floor))),
    };
  };
}

function isNonnegative({ lo }: Box): boolean {
  return lo.every((v) => v >= 0);
}

function magnitudes({ lo, hi }: Box): Float64Array {
  return lo.map((l, i) => Math.max(Math.abs(l), Math.abs(hi[i])));
}

/** Least and largest product of a box with one of nonnegative numbers, but for roundings. */
function signed(
  { lo, hi }: Box,
  multiply: (end: Float64Array, other: Float64Array) => Float64Array,
  nonnegative: Box,
): Box {
  const positive = (x: Float64Array) => x.map((v) => Math.max(v, 0));
  const negative = (x: Float64Array) => x.map((v) => Math.min(v, 0));
  const sum = (x: Float64Array, y: Float64Array) => x.map((v, i) => v + y[i]);
  return {
    lo: sum(multiply(nonnegative.lo, positive(lo)), multiply(nonnegative.hi, negative(lo))),
    hi: sum(multiply(nonnegative.hi, positive(hi)), multiply(nonnegative.lo, negative(hi))),
  };
}

/** |AB − A_c B_c| ≤ |A_c|·B_r + A_r·(|B_c| + B_r), but for roundings. */
function aroundMiddles(multiply: (x: Float64Array, y: Float64Array) => Float64Array, a: Box, b: Box): Box {
  const [x, y] = [centred(a), centred(b)];
  const absolute = (v: Float64Array) => v.map(Math.abs);
  const middle = multiply(x.centre, y.centre);
  const near = multiply(absolute(x.centre), y.radius);
  const far = multiply(
    x.radius,
    y.radius.map((r, i) => r + Math.abs(y.centre[i])),
  );
  return {
    lo: middle.map((v, i) => v - (near[i] + far[i])),
    hi: middle.map((v, i) => v + (near[i] + far[i])),
  };
}
