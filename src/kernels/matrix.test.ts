import { describe, expect, it } from "vitest";
import { plainKernels, wasmKernels } from "./index.ts";
import {
  blockOf,
  generator,
  integers,
  product,
  reals,
  STORAGE_TYPES,
  same,
  transpose,
  worstRatio,
} from "./test-data.ts";
import type { Kernels } from "./types.ts";

/** The lower triangle, zeros above. */
function lower(g: Float64Array, n: number): Float64Array {
  return g.map((value, i) => (i % n <= Math.floor(i / n) ? value : 0));
}

/** A Gram matrix with NaN above the diagonal, where nothing may be read. */
function withoutUpper(g: Float64Array, n: number): Float64Array {
  return g.map((value, i) => (i % n <= Math.floor(i / n) ? value : Number.NaN));
}

/** A lower triangular matrix of small whole numbers with diagonal 1, 2 or 3. */
function integerFactor(random: () => number, n: number): Float64Array {
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) l[i * n + j] = Math.floor(random() * 5) - 2;
    l[i * n + i] = 1 + Math.floor(random() * 3);
  }
  return l;
}

/** G with shift·I − G = L Lᵀ, all in whole numbers. */
function gramOfFactor(l: Float64Array, n: number, shift: number): Float64Array {
  const g = product(l, transpose(l, n, n), n, n, n).map((value) => -value);
  for (let i = 0; i < n; i++) g[i * n + i]! += shift;
  return withoutUpper(g, n);
}

/** The least shift, to `digits`, at which the factorisation exists: the largest of the spectrum of G. */
function critical(K: Kernels, g: Float64Array, n: number, digits: number): number {
  let low = 0;
  let high = 0;
  for (let i = 0; i < n; i++) high += g[i * n + i]!;
  high *= 1.001;
  while (high - low > digits * high) {
    const middle = (low + high) / 2;
    if (K.shiftedCholesky(g, n, middle) === null) high = middle;
    else low = middle;
  }
  return high;
}

describe.each([wasmKernels, plainKernels])("Gram matrix ($name)", (K) => {
  it.each(STORAGE_TYPES)("is exact on whole numbers at every size below 40: %s", (type) => {
    const random = generator(5);
    const wrong: string[] = [];
    for (let rows = 1; rows < 40; rows++) {
      for (let cols = 1 + (rows % 3); cols < 40; cols += 3) {
        const a = integers(random, rows * cols);
        const g = K.gramMatrix(blockOf(K, type, a, rows, cols), 0.5);
        const exact = product(a, transpose(a, rows, cols), rows, cols, rows);
        const quarter = exact.map((value) => value / 4);
        if (!same(lower(g, rows), lower(quarter, rows))) wrong.push(`${rows} × ${cols}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it.each([
    [1, 2000],
    [130, 515],
    [259, 261],
    [70, 1030],
  ])("of %i × %i keeps the error bound of float64 sums", (rows, cols) => {
    const random = generator(rows);
    const a = Float64Array.from(reals(random, rows * cols), Math.fround);
    const g = lower(K.gramMatrix(blockOf(K, "float32", a, rows, cols), 1), rows);
    const exact = lower(product(a, transpose(a, rows, cols), rows, cols, rows), rows);
    const size = a.map(Math.abs);
    const sums = product(size, transpose(size, rows, cols), rows, cols, rows);
    const bound = sums.map((sum) => 2 * (cols + 2) * 2 ** -53 * sum);
    expect(worstRatio(g, exact, bound)).toBeLessThanOrEqual(1);
  });

  it("is empty for no rows, zero for no columns, and refuses foreign blocks", () => {
    expect(K.gramMatrix(K.rowBlock("float32", 0, 5), 1)).toEqual(new Float64Array(0));
    expect(K.gramMatrix(K.rowBlock("float32", 1, 0), 1)).toEqual(Float64Array.of(0));
    const foreign = K === wasmKernels ? plainKernels : wasmKernels;
    expect(() => K.gramMatrix(foreign.rowBlock("float32", 1, 1), 1)).toThrow(TypeError);
  });
});

describe.each([wasmKernels, plainKernels])("shifted Cholesky ($name)", (K) => {
  it("passes L Lᵀ of whole numbers and finds each zero pivot, reading no upper triangle", () => {
    const random = generator(6);
    for (const n of [...Array(45).keys(), 67, 130, 257, 300]) {
      const l = integerFactor(random, n);
      const g = gramOfFactor(l, n, 1000);
      expect(K.shiftedCholesky(g, n, 1000)).toBe(null);
      for (let p = n > 40 ? n % 97 : 0; p < n; p += n > 40 ? 97 : 1) {
        const singular = l.slice();
        singular[p * n + p] = 0;
        expect(K.shiftedCholesky(gramOfFactor(singular, n, 1000), n, 1000)).toBe(p);
      }
    }
  });

  it("does not change its argument", () => {
    const g = gramOfFactor(integerFactor(generator(7), 9), 9, 100);
    const copy = g.slice();
    K.shiftedCholesky(g, 9, 100);
    expect(g).toEqual(copy);
  });

  it("fails at the pivot where x xᵀ outgrows the shift", () => {
    for (let n = 1; n < 40; n++) {
      const g = withoutUpper(new Float64Array(n * n).fill(1), n);
      for (let m = 0; m < n; m++) expect(K.shiftedCholesky(g, n, m + 0.5)).toBe(m);
      expect(K.shiftedCholesky(g, n, n + 0.5)).toBe(null);
    }
  });

  it("fails on NaN and infinity where they first reach a pivot", () => {
    for (const [row, column] of [
      [0, 0],
      [5, 5],
      [6, 2],
      [150, 149],
      [201, 3],
    ] as const) {
      const n = 203;
      const g = withoutUpper(new Float64Array(n * n), n);
      for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY]) {
        g[row * n + column] = wrong;
        expect(K.shiftedCholesky(g, n, 1)).toBe(row);
      }
    }
    expect(K.shiftedCholesky(new Float64Array(9), 3, Number.NaN)).toBe(0);
  });

  it.each([3, 40, 129, 270])("splits shifts at the top of the spectrum of order %i", (n) => {
    const random = generator(n);
    const a = reals(random, n * (n + 5));
    const block = blockOf(plainKernels, "float64", a, n, n + 5);
    const g = withoutUpper(plainKernels.gramMatrix(block, 1), n);
    const top = critical(plainKernels, g, n, 1e-13);
    // The bisection's own error, and rounding, which moves the split by far less than n units of the trace.
    const margin = 2e-13 + n * n * 2 ** -52;
    expect(K.shiftedCholesky(g, n, top * (1 + margin))).toBe(null);
    expect(K.shiftedCholesky(g, n, top * (1 - margin))).not.toBe(null);
  });

  it("handles entries that overflow or underflow when multiplied", () => {
    expect(K.shiftedCholesky(Float64Array.of(0, 0, 2 ** 600, 0), 2, 2 ** 601)).toBe(null);
    expect(K.shiftedCholesky(Float64Array.of(0, 0, 2 ** -600, 0), 2, 2 ** -599)).toBe(null);
    expect(K.shiftedCholesky(new Float64Array(4), 2, 5e-324)).toBe(null);
    expect(K.shiftedCholesky(new Float64Array(4), 2, 0)).toBe(0);
  });

  it("refuses a matrix of the wrong size", () => {
    expect(() => K.shiftedCholesky(new Float64Array(8), 3, 1)).toThrow(RangeError);
  });
});
