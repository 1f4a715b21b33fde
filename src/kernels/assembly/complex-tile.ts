// The complex inner kernel: real products only, each part a plain sum of them.

/**
 * out[c][r] = Σ_k a_r[k] · conj(b_c[k]) for r = 0..3 and c = 0, 1, as four real parts then four imaginary ones.
 * `bytes` is 64 × the number of entries.
 */
export function complexHalfTile(a: usize, b: usize, bytes: usize, out: usize): void {
  let r00 = f64x2.splat(0), r01 = r00, i00 = r00, i01 = r00;
  let r10 = r00, r11 = r00, i10 = r00, i11 = r00;
  const end = a + bytes;
  while (a != end) {
    const x0 = v128.load(a), x1 = v128.load(a, 16);
    const y0 = v128.load(a, 32), y1 = v128.load(a, 48);
    let c = v128.load64_splat(b), d = v128.load64_splat(b, 32);
    r00 = f64x2.add(r00, f64x2.mul(x0, c));
    r01 = f64x2.add(r01, f64x2.mul(x1, c));
    i00 = f64x2.add(i00, f64x2.mul(y0, c));
    i01 = f64x2.add(i01, f64x2.mul(y1, c));
    r00 = f64x2.add(r00, f64x2.mul(y0, d));
    r01 = f64x2.add(r01, f64x2.mul(y1, d));
    i00 = f64x2.sub(i00, f64x2.mul(x0, d));
    i01 = f64x2.sub(i01, f64x2.mul(x1, d));
    c = v128.load64_splat(b, 8);
    d = v128.load64_splat(b, 40);
    r10 = f64x2.add(r10, f64x2.mul(x0, c));
    r11 = f64x2.add(r11, f64x2.mul(x1, c));
    i10 = f64x2.add(i10, f64x2.mul(y0, c));
    i11 = f64x2.add(i11, f64x2.mul(y1, c));
    r10 = f64x2.add(r10, f64x2.mul(y0, d));
    r11 = f64x2.add(r11, f64x2.mul(y1, d));
    i10 = f64x2.sub(i10, f64x2.mul(x0, d));
    i11 = f64x2.sub(i11, f64x2.mul(x1, d));
    a += 64;
    b += 64;
  }
  v128.store(out, r00);
  v128.store(out, r01, 16);
  v128.store(out, i00, 32);
  v128.store(out, i01, 48);
  v128.store(out, r10, 64);
  v128.store(out, r11, 80);
  v128.store(out, i10, 96);
  v128.store(out, i11, 112);
}
