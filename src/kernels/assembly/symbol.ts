// Symbols of a convolution kernel, kept as packed groups of four rows (see entry.ts).
export { complexHalfTile } from "./complex-tile";
export { cholesky, panelRow, shiftTiles } from "./cholesky";
export { addGram, updateTiles } from "./gram";
export { addLags, addPairs, packTaps, weighLags } from "./lags";
export { realTile } from "./tile";

/**
 * One alias of the symbol for one group: Re = Σ W cos, Im = −Σ W sin. `kernel` holds for each of `cols` columns and
 * each tap four rows; `waves` the pairs cos, sin.
 */
export function combine(kernel: usize, cols: usize, taps: usize, waves: usize, to: usize): void {
  const end = waves + 16 * taps;
  for (let c: usize = 0; c < cols; c++) {
    let x0 = f64x2.splat(0), x1 = x0, y0 = x0, y1 = x0;
    for (let q = waves; q != end; q += 16) {
      const w0 = v128.load(kernel), w1 = v128.load(kernel, 16);
      const cos = v128.load64_splat(q), sin = v128.load64_splat(q, 8);
      x0 = f64x2.add(x0, f64x2.mul(w0, cos));
      x1 = f64x2.add(x1, f64x2.mul(w1, cos));
      y0 = f64x2.sub(y0, f64x2.mul(w0, sin));
      y1 = f64x2.sub(y1, f64x2.mul(w1, sin));
      kernel += 32;
    }
    v128.store(to, x0);
    v128.store(to, x1, 16);
    v128.store(to, y0, 32);
    v128.store(to, y1, 48);
    to += 64;
  }
}

/** The current matrix: for each group and alias. */
export function setFrequency(
  kernel: usize, groups: usize, cols: usize, taps: usize, waves: usize, aliases: usize, to: usize,
): void {
  for (let g: usize = 0; g < groups; g++) {
    for (let j: usize = 0; j < aliases; j++) {
      combine(kernel, cols, taps, waves + 16 * taps * j, to);
      to += 64 * cols;
    }
    kernel += 32 * cols * taps;
  }
}

/** t += Fᴴ x over one group: x four complex numbers; each t is two lanes of real, two of imaginary parts to add up. */
export function adjointGroup(group: usize, width: usize, x: usize, t: usize): void {
  const a = v128.load(x), b = v128.load(x, 16), c = v128.load(x, 32), d = v128.load(x, 48);
  const re0 = v128.shuffle<f64>(a, b, 0, 2), re1 = v128.shuffle<f64>(c, d, 0, 2);
  const im0 = v128.shuffle<f64>(a, b, 1, 3), im1 = v128.shuffle<f64>(c, d, 1, 3);
  const end = t + 32 * width;
  while (t != end) {
    const x0 = v128.load(group), x1 = v128.load(group, 16);
    const y0 = v128.load(group, 32), y1 = v128.load(group, 48);
    let re = f64x2.add(v128.load(t), f64x2.mul(x0, re0));
    let im = f64x2.add(v128.load(t, 16), f64x2.mul(x0, im0));
    re = f64x2.add(re, f64x2.mul(x1, re1));
    im = f64x2.add(im, f64x2.mul(x1, im1));
    re = f64x2.add(re, f64x2.mul(y0, im0));
    im = f64x2.sub(im, f64x2.mul(y0, re0));
    re = f64x2.add(re, f64x2.mul(y1, im1));
    im = f64x2.sub(im, f64x2.mul(y1, re1));
    v128.store(t, re);
    v128.store(t, im, 16);
    group += 64;
    t += 32;
  }
}

/** y = F t over one group: t as `adjointGroup` leaves it. */
export function applyGroup(group: usize, width: usize, t: usize, y: usize): void {
  let re0 = f64x2.splat(0), re1 = re0, im0 = re0, im1 = re0;
  const end = t + 32 * width;
  while (t != end) {
    const x0 = v128.load(group), x1 = v128.load(group, 16);
    const y0 = v128.load(group, 32), y1 = v128.load(group, 48);
    const re = f64x2.splat(load<f64>(t) + load<f64>(t, 8));
    const im = f64x2.splat(load<f64>(t, 16) + load<f64>(t, 24));
    re0 = f64x2.add(re0, f64x2.mul(x0, re));
    re1 = f64x2.add(re1, f64x2.mul(x1, re));
    im0 = f64x2.add(im0, f64x2.mul(x0, im));
    im1 = f64x2.add(im1, f64x2.mul(x1, im));
    re0 = f64x2.sub(re0, f64x2.mul(y0, im));
    re1 = f64x2.sub(re1, f64x2.mul(y1, im));
    im0 = f64x2.add(im0, f64x2.mul(y0, re));
    im1 = f64x2.add(im1, f64x2.mul(y1, re));
    group += 64;
    t += 32;
  }
  v128.store(y, v128.shuffle<f64>(re0, im0, 0, 2));
  v128.store(y, v128.shuffle<f64>(re0, im0, 1, 3), 16);
  v128.store(y, v128.shuffle<f64>(re1, im1, 0, 2), 32);
  v128.store(y, v128.shuffle<f64>(re1, im1, 1, 3), 48);
}

/** y = F Fᴴ x, x and y interleaved complex vectors of 4 · groups; t (zero-filled here) has room for `width`. */
export function gram(symbol: usize, groups: usize, width: usize, x: usize, t: usize, y: usize): void {
  memory.fill(t, 0, 32 * width);
  for (let g: usize = 0; g < groups; g++) adjointGroup(symbol + 64 * width * g, width, x + 64 * g, t);
  for (let g: usize = 0; g < groups; g++) applyGroup(symbol + 64 * width * g, width, t, y + 64 * g);
}

/** ‖F‖_F²: squares summed row by row, then the rows' sums. */
export function squares(symbol: usize, groups: usize, width: usize): f64 {
  let u = f64x2.splat(0);
  for (const last = symbol + 64 * width * groups; symbol != last;) {
    let s = f64x2.splat(0), t = s;
    for (const end = symbol + 64 * width; symbol != end; symbol += 32) {
      const x = v128.load(symbol), y = v128.load(symbol, 16);
      s = f64x2.add(s, f64x2.mul(x, x));
      t = f64x2.add(t, f64x2.mul(y, y));
    }
    u = f64x2.add(u, f64x2.add(s, t));
  }
  return f64x2.extract_lane(u, 0) + f64x2.extract_lane(u, 1);
}
