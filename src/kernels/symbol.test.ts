import { describe, expect, it } from "vitest";
import { plainKernels, wasmKernels } from "./index.ts";
import { generator, integers, reals, same, worstRatio } from "./test-data.ts";
import type { SymbolKernel } from "./types.ts";

/** The symbol by its definition: Re = Σ W cos, Im = −Σ W sin. */
function symbolOf(
  kernel: Float64Array,
  rows: number,
  cols: number,
  cos: Float64Array,
  sin: Float64Array,
  aliases: number,
): { re: Float64Array; im: Float64Array } {
  const taps = kernel.length / (rows * cols);
  const sum = (i: number, waves: Float64Array) => {
    const r = Math.floor(i / (cols * aliases));
    const alias = Math.floor(i / cols) % aliases;
    const start = (r * cols + (i % cols)) * taps;
    let total = 0;
    for (let q = 0; q < taps; q++) total += kernel[start + q]! * waves[alias * taps + q]!;
    return total;
  };
  const length = rows * cols * aliases;
  return {
    re: Float64Array.from({ length }, (_, i) => sum(i, cos)),
    im: Float64Array.from({ length }, (_, i) => -sum(i, sin)),
  };
}

/** y = F Fᴴ x by its definition, and the same of magnitudes. */
function gramProduct(re: Float64Array, im: Float64Array, x: Float64Array): Float64Array {
  const rows = x.length / 2;
  const width = re.length / rows;
  const y = new Float64Array(x.length);
  for (let c = 0; c < width; c++) {
    let tr = 0;
    let ti = 0;
    for (let r = 0; r < rows; r++) {
      tr += re[r * width + c]! * x[2 * r]! + im[r * width + c]! * x[2 * r + 1]!;
      ti += re[r * width + c]! * x[2 * r + 1]! - im[r * width + c]! * x[2 * r]!;
    }
    for (let r = 0; r < rows; r++) {
      y[2 * r]! += re[r * width + c]! * tr - im[r * width + c]! * ti;
      y[2 * r + 1]! += re[r * width + c]! * ti + im[r * width + c]! * tr;
    }
  }
  return y;
}

/** The lower triangle of [[Re, −Im], [Im, Re]] of F Fᴴ: positive definite exactly when F Fᴴ is. */
function embeddedGram(re: Float64Array, im: Float64Array, rows: number): Float64Array {
  const width = re.length / rows;
  const n = 2 * rows;
  const g = new Float64Array(n * n);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < rows; j++) {
      let real = 0;
      let imaginary = 0;
      for (let c = 0; c < width; c++) {
        const [ar, ai] = [re[i * width + c]!, im[i * width + c]!];
        const [br, bi] = [re[j * width + c]!, im[j * width + c]!];
        real += ar * br + ai * bi;
        imaginary += ai * br - ar * bi;
      }
      g[i * n + j] = real;
      g[(rows + i) * n + rows + j] = real;
      g[(rows + i) * n + j] = imaginary;
      g[i * n + rows + j] = -imaginary;
    }
  }
  return g;
}

/** A calculator whose current matrix is re + i·im. */
function holding(
  K: typeof wasmKernels,
  re: Float64Array,
  im: Float64Array,
  rows: number,
  cols: number,
): SymbolKernel {
  const kernel = Float64Array.from({ length: 2 * re.length }, (_, i) => (i % 2 ? im : re)[i >> 1]!);
  const symbol = K.symbol(kernel, rows, cols, 2);
  symbol.setFrequency(Float64Array.of(1, 0), Float64Array.of(0, -1), 1);
  return symbol;
}

/** The shift at which the embedded factorisation begins to exist. */
function critical(g: Float64Array, n: number): number {
  let low = 0;
  let high = 0;
  for (let i = 0; i < n; i++) high += g[i * n + i]!;
  while (high - low > 1e-12 * high) {
    const middle = (low + high) / 2;
    if (plainKernels.shiftedCholesky(g, n, middle) === null) high = middle;
    else low = middle;
  }
  return high;
}

describe.each([wasmKernels, plainKernels])("symbols ($name)", (K) => {
  it("are exact on whole numbers, for every small size, and so are their Gram products and traces", () => {
    const random = generator(8);
    for (let rows = 1; rows < 20; rows++) {
      for (let cols = 1; cols < 12; cols++) {
        const taps = 1 + ((rows + cols) % 5);
        const kernel = integers(random, rows * cols * taps);
        const symbol = K.symbol(kernel, rows, cols, taps);
        for (const aliases of [1, 1 + (cols % 4), 2]) {
          const cos = integers(random, aliases * taps);
          const sin = integers(random, aliases * taps);
          symbol.setFrequency(cos, sin, aliases);
          const expected = symbolOf(kernel, rows, cols, cos, sin, aliases);
          const actual = symbol.matrix();
          expect(same(actual.re, expected.re)).toBe(true);
          expect(same(actual.im, expected.im)).toBe(true);
          const x = integers(random, 2 * rows);
          const y = new Float64Array(2 * rows);
          symbol.gram(x, y);
          expect(same(y, gramProduct(expected.re, expected.im, x))).toBe(true);
          const squares = [...expected.re, ...expected.im].reduce((sum, value) => sum + value * value, 0);
          expect(symbol.formGram().trace).toBe(squares);
        }
      }
    }
  });

  it.each([
    [70, 33, 9, 4],
    [64, 64, 9, 1],
    [5, 300, 3, 2],
  ])("of %i × %i × %i at %i aliases keep the error bounds of float64 sums", (rows, cols, taps, aliases) => {
    const random = generator(rows);
    const kernel = reals(random, rows * cols * taps);
    const angles = reals(random, aliases * taps).map((t) => Math.PI * t);
    const [cos, sin] = [angles.map(Math.cos), angles.map(Math.sin)];
    const symbol = K.symbol(kernel, rows, cols, taps);
    symbol.setFrequency(cos, sin, aliases);
    const { re, im } = symbol.matrix();
    const expected = symbolOf(kernel, rows, cols, cos, sin, aliases);
    const size = symbolOf(
      kernel.map(Math.abs),
      rows,
      cols,
      cos.map(Math.abs),
      sin.map((s) => -Math.abs(s)),
      aliases,
    );
    const unit = 2 * (taps + 2) * 2 ** -53;
    expect(
      worstRatio(
        re,
        expected.re,
        size.re.map((value) => unit * value),
      ),
    ).toBeLessThanOrEqual(1);
    expect(
      worstRatio(
        im,
        expected.im,
        size.im.map((value) => unit * value),
      ),
    ).toBeLessThanOrEqual(1);
    const x = reals(random, 2 * rows);
    const y = new Float64Array(2 * rows);
    symbol.gram(x, y);
    let [whole, length] = [0, 0];
    for (let i = 0; i < re.length; i++) whole += re[i]! ** 2 + im[i]! ** 2;
    for (const value of x) length += value * value;
    const bound = 8 * (2 * rows + 2 * cols * aliases) * 2 ** -53 * whole * Math.sqrt(length);
    expect(
      worstRatio(
        y,
        gramProduct(re, im, x),
        y.map(() => bound),
      ),
    ).toBeLessThanOrEqual(1);
  });

  it("find the pivot where x xᴴ outgrows the shift", () => {
    for (let n = 1; n < 40; n++) {
      const signs = Float64Array.from({ length: n }, (_, i) => (i % 3 ? 1 : -1));
      const symbol = holding(K, signs, new Float64Array(n).fill(1), n, 1);
      expect(symbol.formGram().trace).toBe(2 * n);
      for (let m = 0; m < n; m++) expect(symbol.shiftedCholesky(2 * m + 1)).toBe(m);
      expect(symbol.shiftedCholesky(2 * n + 1)).toBe(null);
    }
  });

  it.each([
    [1, 1],
    [2, 3],
    [7, 4],
    [30, 31],
    [33, 20],
    [131, 140],
  ])("of %i × %i are positive definite where their real embedding is", (rows, cols) => {
    const random = generator(100 * rows + cols);
    const re = reals(random, rows * cols);
    const im = reals(random, rows * cols);
    const top = critical(embeddedGram(re, im, rows), 2 * rows);
    const symbol = holding(K, re, im, rows, cols);
    symbol.formGram();
    expect(symbol.shiftedCholesky(top * (1 + 1e-10))).toBe(null);
    expect(symbol.shiftedCholesky(top * (1 - 1e-10))).not.toBe(null);
    expect(symbol.shiftedCholesky(2 * top)).toBe(null);
    expect(symbol.shiftedCholesky(top / 2)).not.toBe(null);
    expect(symbol.shiftedCholesky(Number.NaN)).toBe(0);
  });

  it("refuse wrong lengths", () => {
    expect(() => K.symbol(new Float64Array(5), 2, 3, 1)).toThrow(RangeError);
    const symbol = K.symbol(new Float64Array(6), 2, 3, 1);
    expect(() => symbol.setFrequency(new Float64Array(1), new Float64Array(2), 2)).toThrow(RangeError);
    symbol.setFrequency(new Float64Array(2), new Float64Array(2), 2);
    expect(() => symbol.gram(new Float64Array(2), new Float64Array(4))).toThrow(RangeError);
  });
});

describe("both implementations", () => {
  it("agree on the failing pivot of Hermitian matrices at clear shifts", () => {
    const random = generator(9);
    for (const rows of [3, 18, 65, 130]) {
      const re = reals(random, rows * rows);
      const im = reals(random, rows * rows);
      const [fast, plain] = [wasmKernels, plainKernels].map((K) => holding(K, re, im, rows, rows));
      const { trace } = plain!.formGram();
      expect(Math.abs(fast!.formGram().trace - trace)).toBeLessThanOrEqual(
        4 * rows * rows * 2 ** -53 * trace,
      );
      for (const share of [0.003, 0.01, 0.02, 0.05, 0.2, 0.6, 1]) {
        expect(fast!.shiftedCholesky(share * trace)).toBe(plain!.shiftedCholesky(share * trace));
      }
    }
  });
});
