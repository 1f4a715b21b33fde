// The inner kernel of all block products: a 4 × 4 tile of sums of products of two packed groups.
// A packed group holds four vectors interleaved: entry k is the four numbers x₀[k] x₁[k] x₂[k] x₃[k].

/** out[c][r] = Σ_k b_c[k] · a_r[k] for r, c = 0..3; 16 doubles. `bytes` is 32 × the number of entries. */
export function realTile(a: usize, b: usize, bytes: usize, out: usize): void {
  let s00 = f64x2.splat(0), s01 = s00, s10 = s00, s11 = s00;
  let s20 = s00, s21 = s00, s30 = s00, s31 = s00;
  const end = a + bytes;
  while (a != end) {
    const x = v128.load(a), y = v128.load(a, 16);
    let c = v128.load64_splat(b);
    s00 = f64x2.add(s00, f64x2.mul(x, c));
    s01 = f64x2.add(s01, f64x2.mul(y, c));
    c = v128.load64_splat(b, 8);
    s10 = f64x2.add(s10, f64x2.mul(x, c));
    s11 = f64x2.add(s11, f64x2.mul(y, c));
    c = v128.load64_splat(b, 16);
    s20 = f64x2.add(s20, f64x2.mul(x, c));
    s21 = f64x2.add(s21, f64x2.mul(y, c));
    c = v128.load64_splat(b, 24);
    s30 = f64x2.add(s30, f64x2.mul(x, c));
    s31 = f64x2.add(s31, f64x2.mul(y, c));
    a += 32;
    b += 32;
  }
  v128.store(out, s00);
  v128.store(out, s01, 16);
  v128.store(out, s10, 32);
  v128.store(out, s11, 48);
  v128.store(out, s20, 64);
  v128.store(out, s21, 80);
  v128.store(out, s30, 96);
  v128.store(out, s31, 112);
}
