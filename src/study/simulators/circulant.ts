/** What a translation-invariant linear map does to the wave e^{iκx}: multiplies it by `even(κ) + i·odd(κ)`. */
export interface WaveSymbol {
  readonly even?: (wave: number) => number;
  readonly odd?: (wave: number) => number;
}

/**
 * The first column of the real circulant matrix that multiplies the wave number κ = 2πk, k = −n/2 … n/2, by its symbol: a linear
 * operator on n points of the unit circle, exact for every wave the points can hold. `even` must be an even function, `odd` an
 * odd one; of the highest wave, which is its own mirror image, the odd part is nothing.
 */
export function circulantColumn(n: number, { even, odd }: WaveSymbol): Float64Array {
  const column = new Float64Array(n);
  const waves = Array.from({ length: n }, (_, i) => i - Math.floor((n - 1) / 2));
  for (const k of waves) {
    const wave = 2 * Math.PI * k;
    const a = even?.(wave) ?? 0;
    const b = 2 * k === n ? 0 : (odd?.(wave) ?? 0);
    for (let j = 0; j < n; j++) {
      const angle = (wave * j) / n;
      column[j]! += (a * Math.cos(angle) - b * Math.sin(angle)) / n;
    }
  }
  return column;
}

/** The circulant matrix with this first column times u: a circular convolution. */
export function circulantTimes(column: Float64Array, u: Float64Array): Float64Array {
  const n = u.length;
  // Twice in a row and backwards, so that each output is a product with a stretch of it.
  const twice = Float64Array.from({ length: 2 * n }, (_, i) => column[(2 * n - i) % n]!);
  const out = new Float64Array(n);
  const fours = n - (n % 4);
  for (let i = 0; i < n; i++) {
    // Four sums at once: one would wait for each of its additions.
    let [a, b, c, d] = [0, 0, 0, 0];
    const row = n - i;
    for (let j = 0; j < fours; j += 4) {
      a += twice[row + j] * u[j];
      b += twice[row + j + 1] * u[j + 1];
      c += twice[row + j + 2] * u[j + 2];
      d += twice[row + j + 3] * u[j + 3];
    }
    for (let j = fours; j < n; j++) a += twice[row + j] * u[j];
    out[i] = a + b + (c + d);
  }
  return out;
}

/** Its matrix, row by row. */
export function circulantMatrix(column: Float64Array): Float64Array {
  const n = column.length;
  return Float64Array.from({ length: n * n }, (_, at) => column[(Math.floor(at / n) - (at % n) + n) % n]!);
}
