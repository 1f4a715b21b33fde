// Passes over a block of rows: `stride` bytes apart, padded with zeros to a multiple of four elements.
// Exported inner functions keep the engine from inlining them, so that a long first call moves to optimised code
// as soon as that is ready. UNIT is applied to sums and factors, not entries; with float16 entries at most 2¹⁶ the
// factors of a transposed product must stay below 2⁹¹², and vector entries below 2⁻⁸⁸⁶ may lose digits.
import { high, low, QUAD, quad, stored, UNIT } from "./storage";

@inline function sum(x: v128): f64 {
  return (f64x2.extract_lane(x, 0) + f64x2.extract_lane(x, 1)) * UNIT;
}

@inline function addProduct(s: v128, x: v128, y: v128): v128 {
  return f64x2.add(s, f64x2.mul(x, y));
}

/** s + four elements at `a` times those in x, y. */
@inline function addQuad(s: v128, a: usize, x: v128, y: v128): v128 {
  const q = quad(a);
  return addProduct(addProduct(s, low(q, a), x), high(q, a), y);
}

@inline function factor(y: usize): v128 {
  return f64x2.splat(load<f64>(y) * UNIT);
}

/** The sums of products of four rows with v, put at y. `bytes` is 8 × the padded length. */
export function dot4(a: usize, b: usize, c: usize, d: usize, v: usize, bytes: usize, y: usize): void {
  let s = f64x2.splat(0), t = s, u = s, w = s;
  const end = v + bytes;
  while (v != end) {
    const x0 = v128.load(v), x1 = v128.load(v, 16);
    s = addQuad(s, a, x0, x1);
    t = addQuad(t, b, x0, x1);
    u = addQuad(u, c, x0, x1);
    w = addQuad(w, d, x0, x1);
    a += QUAD;
    b += QUAD;
    c += QUAD;
    d += QUAD;
    v += 32;
  }
  store<f64>(y, sum(s));
  store<f64>(y, sum(t), 8);
  store<f64>(y, sum(u), 16);
  store<f64>(y, sum(w), 24);
}

/** w += y₀ a + y₁ b + y₂ c + y₃ d. */
export function axpy4(a: usize, b: usize, c: usize, d: usize, w: usize, bytes: usize, y: usize): void {
  const ya = factor(y), yb = factor(y + 8), yc = factor(y + 16), yd = factor(y + 24);
  const end = w + bytes;
  while (w != end) {
    let q = quad(a);
    let s = addProduct(v128.load(w), low(q, a), ya), t = addProduct(v128.load(w, 16), high(q, a), ya);
    q = quad(b);
    s = addProduct(s, low(q, b), yb);
    t = addProduct(t, high(q, b), yb);
    q = quad(c);
    s = addProduct(s, low(q, c), yc);
    t = addProduct(t, high(q, c), yc);
    q = quad(d);
    s = addProduct(s, low(q, d), yd);
    t = addProduct(t, high(q, d), yd);
    v128.store(w, s);
    v128.store(w, t, 16);
    a += QUAD;
    b += QUAD;
    c += QUAD;
    d += QUAD;
    w += 32;
  }
}

/**
 * `axpy4` on the four rows from `a` with the factors at y, and `dot4` on the next four with sums put at y + 32, in
 * one loop: the first four come from the cache while the next four come from memory.
 */
export function axpyAndDot4(a: usize, stride: usize, v: usize, w: usize, bytes: usize, y: usize): void {
  const ya = factor(y), yb = factor(y + 8), yc = factor(y + 16), yd = factor(y + 24);
  let b = a + stride, c = b + stride, d = c + stride;
  let sa = f64x2.splat(0), sb = sa, sc = sa, sd = sa;
  const next: usize = 4 * stride;
  const end = v + bytes;
  while (v != end) {
    let q = quad(a);
    let s = addProduct(v128.load(w), low(q, a), ya), t = addProduct(v128.load(w, 16), high(q, a), ya);
    q = quad(b);
    s = addProduct(s, low(q, b), yb);
    t = addProduct(t, high(q, b), yb);
    q = quad(c);
    s = addProduct(s, low(q, c), yc);
    t = addProduct(t, high(q, c), yc);
    q = quad(d);
    s = addProduct(s, low(q, d), yd);
    t = addProduct(t, high(q, d), yd);
    v128.store(w, s);
    v128.store(w, t, 16);
    const x0 = v128.load(v), x1 = v128.load(v, 16);
    sa = addQuad(sa, a + next, x0, x1);
    sb = addQuad(sb, b + next, x0, x1);
    sc = addQuad(sc, c + next, x0, x1);
    sd = addQuad(sd, d + next, x0, x1);
    a += QUAD;
    b += QUAD;
    c += QUAD;
    d += QUAD;
    v += 32;
    w += 32;
  }
  store<f64>(y, sum(sa), 32);
  store<f64>(y, sum(sb), 40);
  store<f64>(y, sum(sc), 48);
  store<f64>(y, sum(sd), 56);
}

/**
 * For each group of four rows: y = A v if `forward`, then w += Aᵀ y if `backward`. In the last group rows that do
 * not exist are read as copies of another, with factors set to zero; y has room for them.
 */
export function pass(
  data: usize, rows: usize, stride: usize, v: usize, w: usize, bytes: usize, y: usize,
  forward: bool, backward: bool,
): void {
  for (let i: usize = 0; i < rows; i += 4) {
    const live = rows - i;
    const a = data + i * stride;
    const b = live > 1 ? a + stride : a;
    const c = live > 2 ? b + stride : a;
    const d = live > 3 ? c + stride : a;
    if (forward) dot4(a, b, c, d, v, bytes, y);
    for (let r = live; r < 4; r++) store<f64>(y + 8 * r, 0);
    if (backward) axpy4(a, b, c, d, w, bytes, y);
    y += 32;
  }
}

/** w += Aᵀ(A v), the sums A v left at y. */
export function gram(data: usize, rows: usize, stride: usize, v: usize, w: usize, bytes: usize, y: usize): void {
  const whole = rows & ~3;
  if (whole > 0) {
    dot4(data, data + stride, data + 2 * stride, data + 3 * stride, v, bytes, y);
    for (let i: usize = 4; i < whole; i += 4) {
      axpyAndDot4(data, stride, v, w, bytes, y);
      data += 4 * stride;
      y += 32;
    }
    axpy4(data, data + stride, data + 2 * stride, data + 3 * stride, w, bytes, y);
    data += 4 * stride;
    y += 32;
  }
  pass(data, rows - whole, stride, v, w, bytes, y, true, true);
}

/** out[0..2] ← max |a|, Σ (a · scale)², both joined to what is there, and a number that is 0 if all are finite. */
export function scan(a: usize, bytes: usize, scale: f64, out: usize): void {
  let largest = v128.load64_splat(out), squares = f64x2.splat(0), wrong = squares;
  const times = f64x2.splat(scale), zero = squares;
  const end = a + bytes;
  while (a != end) {
    const q = quad(a);
    const x = stored(low(q, a)), y = stored(high(q, a));
    largest = f64x2.pmax(f64x2.pmax(largest, f64x2.abs(x)), f64x2.abs(y));
    wrong = addProduct(addProduct(wrong, x, zero), y, zero);
    const sx = f64x2.mul(x, times), sy = f64x2.mul(y, times);
    squares = addProduct(addProduct(squares, sx, sx), sy, sy);
    a += QUAD;
  }
  store<f64>(out, Math.max(f64x2.extract_lane(largest, 0), f64x2.extract_lane(largest, 1)));
  store<f64>(out, load<f64>(out, 8) + f64x2.extract_lane(squares, 0) + f64x2.extract_lane(squares, 1), 8);
  store<f64>(out, load<f64>(out, 16) + f64x2.extract_lane(wrong, 0) + f64x2.extract_lane(wrong, 1), 16);
}
