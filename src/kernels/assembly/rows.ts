// Passes over a block of rows: `stride` bytes apart, padded with zeros to a multiple of four elements.
// Exported inner functions keep the engine from inlining them, so that a long first call moves to optimised code
// as soon as that is ready.
import { BYTES, pair } from "./storage";

// @ts-ignore: decorator
@inline const HALF: usize = 2 * BYTES;

// @ts-ignore: decorator
@inline function sum(x: v128): f64 {
  return f64x2.extract_lane(x, 0) + f64x2.extract_lane(x, 1);
}

// @ts-ignore: decorator
@inline function fma(s: v128, x: v128, y: v128): v128 {
  return f64x2.add(s, f64x2.mul(x, y));
}

/** The sums of products of four rows with v, put at y. `bytes` is 8 × the padded length. */
export function dot4(a: usize, b: usize, c: usize, d: usize, v: usize, bytes: usize, y: usize): void {
  let a0 = f64x2.splat(0), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
  const end = v + bytes;
  while (v != end) {
    const x0 = v128.load(v), x1 = v128.load(v, 16);
    a0 = fma(a0, pair(a), x0);
    a1 = fma(a1, pair(a + HALF), x1);
    b0 = fma(b0, pair(b), x0);
    b1 = fma(b1, pair(b + HALF), x1);
    c0 = fma(c0, pair(c), x0);
    c1 = fma(c1, pair(c + HALF), x1);
    d0 = fma(d0, pair(d), x0);
    d1 = fma(d1, pair(d + HALF), x1);
    a += 2 * HALF;
    b += 2 * HALF;
    c += 2 * HALF;
    d += 2 * HALF;
    v += 32;
  }
  store<f64>(y, sum(f64x2.add(a0, a1)));
  store<f64>(y, sum(f64x2.add(b0, b1)), 8);
  store<f64>(y, sum(f64x2.add(c0, c1)), 16);
  store<f64>(y, sum(f64x2.add(d0, d1)), 24);
}

/** w += y₀ a + y₁ b + y₂ c + y₃ d. */
export function axpy4(a: usize, b: usize, c: usize, d: usize, w: usize, bytes: usize, y: usize): void {
  const ya = v128.load64_splat(y), yb = v128.load64_splat(y, 8);
  const yc = v128.load64_splat(y, 16), yd = v128.load64_splat(y, 24);
  const end = w + bytes;
  while (w != end) {
    let s = fma(v128.load(w), pair(a), ya);
    let t = fma(v128.load(w, 16), pair(a + HALF), ya);
    s = fma(s, pair(b), yb);
    t = fma(t, pair(b + HALF), yb);
    s = fma(s, pair(c), yc);
    t = fma(t, pair(c + HALF), yc);
    s = fma(s, pair(d), yd);
    t = fma(t, pair(d + HALF), yd);
    v128.store(w, s);
    v128.store(w, t, 16);
    a += 2 * HALF;
    b += 2 * HALF;
    c += 2 * HALF;
    d += 2 * HALF;
    w += 32;
  }
}

/**
 * For each group of four rows: y = A v if `forward`, then w += Aᵀ y if `backward`. In the last group rows that do
 * not exist are read as copies of the last row, with factors set to zero; y has room for them.
 */
export function pass(
  data: usize, rows: usize, stride: usize, v: usize, w: usize, bytes: usize, y: usize,
  forward: bool, backward: bool,
): void {
  for (let i: usize = 0; i < rows; i += 4) {
    const live = rows - i;
    const a = data + i * stride;
    const b = live > 1 ? a + stride : a;
    const c = live > 2 ? b + stride : b;
    const d = live > 3 ? c + stride : c;
    if (forward) dot4(a, b, c, d, v, bytes, y);
    for (let r = live; r < 4; r++) store<f64>(y + 8 * r, 0);
    if (backward) axpy4(a, b, c, d, w, bytes, y);
    y += 32;
  }
}

/** out[0..2] ← max |a|, Σ (a · scale)², both joined to what is there, and a number that is 0 if all are finite. */
export function scan(a: usize, bytes: usize, scale: f64, out: usize): void {
  let largest = v128.load64_splat(out), squares = f64x2.splat(0), wrong = squares;
  const factor = f64x2.splat(scale), zero = squares;
  const end = a + bytes;
  while (a != end) {
    const x = pair(a);
    largest = f64x2.pmax(largest, f64x2.abs(x));
    wrong = fma(wrong, x, zero);
    const scaled = f64x2.mul(x, factor);
    squares = fma(squares, scaled, scaled);
    a += HALF;
  }
  store<f64>(out, Math.max(f64x2.extract_lane(largest, 0), f64x2.extract_lane(largest, 1)));
  store<f64>(out, load<f64>(out, 8) + sum(squares), 8);
  store<f64>(out, load<f64>(out, 16) + sum(wrong), 16);
}
