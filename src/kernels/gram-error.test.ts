import { describe, expect, it } from "vitest";
import { directGramError } from "./gram-error.ts";
import { plainKernels, wasmKernels } from "./index.ts";
import { magnitude } from "./lags.ts";
import { generator, integers, reals } from "./test-data.ts";
import type { SymbolKernel, TapLattice } from "./types.ts";

/** x · 2¹⁰⁷⁴, a whole number for every finite float64. */
function exactly(x: number): bigint {
  const bits = new BigUint64Array(Float64Array.of(x).buffer)[0]!;
  const exponent = (bits >> 52n) & 0x7ffn;
  const fraction = bits & 0xfffffffffffffn;
  const size = exponent === 0n ? fraction : (fraction | 0x10000000000000n) << (exponent - 1n);
  return x < 0 ? -size : size;
}

/** a / b for b > 0, accurate to about 60 bits. */
function ratio(a: bigint, b: bigint): number {
  return Number((a << 400n) / b) * 2 ** -400;
}

interface Measured {
  /** ‖fl(G) − F Fᴴ‖_F / ‖F‖_F², from exact sums. */
  readonly error: number;
  /** trace as returned, and exactly, the latter 1. */
  readonly trace: number;
}

/** What `formGram` did to the current matrix. */
function measure(symbol: SymbolKernel, rows: number): Measured {
  const returned = symbol.formGram().trace;
  const { re, im } = symbol.matrix();
  const g = symbol.gramMatrix();
  const [a, b] = [Array.from(re, exactly), Array.from(im, exactly)];
  const width = re.length / rows;
  const unit = 1n << 1074n;
  let trace = 0n;
  let squares = 0n;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j <= i; j++) {
      let real = 0n;
      let imaginary = 0n;
      for (let c = 0; c < width; c++) {
        const [p, q] = [i * width + c, j * width + c];
        real += a[p]! * a[q]! + b[p]! * b[q]!;
        imaginary += b[p]! * a[q]! - a[p]! * b[q]!;
      }
      if (i === j) trace += real;
      const dr = exactly(g.re[i * rows + j]!) * unit - real;
      const di = exactly(g.im[i * rows + j]!) * unit - imaginary;
      squares += (i === j ? 1n : 2n) * (dr * dr + di * di);
    }
  }
  if (trace === 0n) return { error: squares === 0n ? 0 : Number.POSITIVE_INFINITY, trace: 1 + returned };
  return { error: Math.sqrt(ratio(squares, trace * trace)), trace: ratio(exactly(returned) * unit, trace) };
}

/** cos, sin of ω·q for a row-major lattice; `turns` is ω/2π per axis, a row of them per alias. */
function waves(size: readonly number[], turns: readonly (readonly number[])[]) {
  const taps = size.reduce((a, b) => a * b, 1);
  const angle = (i: number) => {
    let q = i % taps;
    let sum = 0;
    for (let axis = size.length - 1; axis >= 0; axis--) {
      sum += turns[Math.floor(i / taps)]![axis]! * (q % size[axis]!);
      q = Math.floor(q / size[axis]!);
    }
    return 2 * Math.PI * sum;
  };
  const length = taps * turns.length;
  return {
    cos: Float64Array.from({ length }, (_, i) => Math.cos(angle(i))),
    sin: Float64Array.from({ length }, (_, i) => Math.sin(angle(i))),
    aliases: turns.length,
  };
}

function set(symbol: SymbolKernel, { cos, sin, aliases }: ReturnType<typeof waves>): SymbolKernel {
  symbol.setFrequency(cos, sin, aliases);
  return symbol;
}

/** Checks the bound and the trace, and returns how much of the bound is used. */
function expectKept(symbol: SymbolKernel, rows: number, width: number): number {
  const { error, trace } = measure(symbol, rows);
  expect(error).toBeLessThanOrEqual(symbol.gramError);
  expect(symbol.gramError).toBeLessThanOrEqual(2 ** -34);
  expect(Math.abs(trace - 1)).toBeLessThanOrEqual((2 * width + rows + 4) * 2 ** -52);
  return error / symbol.gramError;
}

const MANY = 10_000;
const noLattice: TapLattice | undefined = undefined;

/** Values whose products with one another, added one by one to 1, each round up by almost half a unit. */
function creeping(rows: number, cols: number): Float64Array {
  const small = Math.sqrt(2 ** -53 * 1.001);
  return Float64Array.from({ length: rows * cols }, (_, i) => (i % cols === 0 ? 1 : small));
}

describe.each([wasmKernels, plainKernels])("gramError ($name)", (K) => {
  it("holds on random data, for all sizes around the tiles, with and without a lattice", () => {
    const random = generator(11);
    const cases: [number, number, number[]][] = [
      [1, 70, [3]],
      [5, 33, [2, 2]],
      [8, 64, [3, 3]],
      [11, 130, [2]],
      [6, 65, [1]],
      [3, 90, [2, 1, 3]],
    ];
    for (const [rows, cols, size] of cases) {
      const kernel = reals(random, rows * cols * size.reduce((a, b) => a * b, 1));
      const taps = kernel.length / (rows * cols);
      for (const lattice of [noLattice, { size, frequencies: MANY }]) {
        const symbol = K.symbol(kernel, rows, cols, taps, lattice);
        for (const aliases of [1, 2]) {
          const turns = Array.from({ length: aliases }, () => size.map(() => random()));
          expectKept(set(symbol, waves(size, turns)), rows, cols * aliases);
        }
      }
    }
  });

  it("holds where real and imaginary parts agree, or are opposite, but for their last digits", () => {
    const random = generator(12);
    const [rows, cols] = [7, 60];
    for (const sign of [1, -1]) {
      for (const noise of [0, 2 ** -52, 2 ** -30]) {
        const a = reals(random, rows * cols);
        const kernel = new Float64Array(2 * a.length);
        for (let i = 0; i < a.length; i++) {
          kernel[2 * i] = a[i]!;
          kernel[2 * i + 1] = sign * a[i]! * (1 + noise * random());
        }
        for (const lattice of [noLattice, { size: [2], frequencies: MANY }]) {
          const symbol = K.symbol(kernel, rows, cols, 2, lattice);
          symbol.setFrequency(Float64Array.of(1, 0), Float64Array.of(0, -1), 1);
          expectKept(symbol, rows, cols);
        }
      }
    }
  });

  it("holds where taps cancel to every degree", () => {
    const random = generator(13);
    const [rows, cols] = [5, 64];
    for (const noise of [0, 1e-15, 1e-8, 1e-4, 0.01, 0.1, 0.5]) {
      const a = reals(random, rows * cols);
      const kernel = Float64Array.from({ length: 9 * a.length }, (_, i) => {
        return a[Math.floor(i / 9)]! + noise * (random() - 0.5);
      });
      const symbol = K.symbol(kernel, rows, cols, 9, { size: [3, 3], frequencies: MANY });
      for (const turns of [0, 1 / 3, 0.3333, 0.32, 0.4, 0.5]) {
        expectKept(set(symbol, waves([3, 3], [[turns, 0]])), rows, cols);
      }
    }
  });

  it("is nearly reached where every rounding goes the same way", () => {
    const [rows, cols] = [4, 64];
    const real = creeping(rows, cols);
    // The plain kernels add the products of real and of imaginary parts to each other first.
    const imaginary = real.map((_, i) => (K === wasmKernels ? real[i % cols === 0 ? i + 1 : i]! : 0));
    const kernel = Float64Array.from({ length: 2 * real.length }, (_, i) => {
      return (i % 2 ? imaginary : real)[i >> 1]!;
    });
    const direct = K.symbol(kernel, rows, cols, 2);
    direct.setFrequency(Float64Array.of(1, 0), Float64Array.of(0, -1), 1);
    expect(expectKept(direct, rows, cols)).toBeGreaterThan(K === wasmKernels ? 0.6 : 0.3);
    const shared = set(K.symbol(real, rows, cols, 1, { size: [1], frequencies: MANY }), waves([1], [[0]]));
    expect(expectKept(shared, rows, cols)).toBeGreaterThan(0.3);
  });

  it("is unknown until the Gram matrix is formed", () => {
    const symbol = K.symbol(Float64Array.of(1, 2), 1, 2, 1);
    expect(symbol.gramError).toBe(Number.POSITIVE_INFINITY);
    set(symbol, waves([1], [[0]])).formGram();
    expect(symbol.gramError).toBe(directGramError(2));
    set(symbol, waves([1], [[0]]));
    expect(symbol.gramError).toBe(Number.POSITIVE_INFINITY);
  });
});

it("magnitude bounds the squared norm of the taps' sizes from above, closely", () => {
  const bound = magnitude(Float64Array.of(1, -2, 3, 4, 0, -1, 0.5, 0.25, -0.25), 3);
  expect(bound).toBeGreaterThanOrEqual(62);
  expect(bound).toBeLessThan(62 * (1 + 1e-11));
});

describe("Gram matrices from lags", () => {
  const random = generator(14);
  const [rows, cols] = [10, 70];
  const lattice = { size: [3, 3], frequencies: MANY };
  const kernel = reals(random, rows * cols * 9);
  const shared = wasmKernels.symbol(kernel, rows, cols, 9, lattice);

  it("are exact on whole numbers and quarter turns, for every small number of rows and some aliases", () => {
    for (let n = 1; n < 14; n++) {
      const whole = integers(random, n * cols * 9);
      const fast = wasmKernels.symbol(whole, n, cols, 9, lattice);
      const plain = plainKernels.symbol(whole, n, cols, 9);
      for (const aliases of [1, 4]) {
        const turns = Array.from({ length: aliases }, (_, j) => [((n + j) % 4) / 4, (n % 3) / 4]);
        const { cos, sin } = waves([3, 3], turns);
        for (const K of [fast, plain]) {
          K.setFrequency(cos.map(Math.round), sin.map(Math.round), aliases);
          K.formGram();
        }
        expect(fast.gramError).not.toBe(directGramError(cols * aliases));
        const [a, b] = [fast.gramMatrix(), plain.gramMatrix()];
        for (let i = 0; i < n; i++) {
          for (let j = 0; j <= i; j++) {
            expect(a.re[i * n + j]! - b.re[i * n + j]!).toBe(0);
            expect(Math.abs(a.im[i * n + j]! - b.im[i * n + j]!)).toBe(0);
          }
        }
        for (const shift of [1e-3, 0.1, 0.3, 1]) {
          const { trace } = plain.formGram();
          expect(fast.shiftedCholesky(shift * trace + 1)).toBe(plain.shiftedCholesky(shift * trace + 1));
        }
      }
    }
  });

  it("count in their error how far the waves are from the lattice", () => {
    for (const size of [1e-15, 1e-14, 1e-13, 1e-12]) {
      const { cos, sin, aliases } = waves([3, 3], [[0.23, 0.41]]);
      for (let q = 0; q < 9; q++) {
        cos[q]! += size * (random() - 0.5);
        sin[q]! += size * (random() - 0.5);
      }
      set(shared, { cos, sin, aliases });
      expectKept(shared, rows, cols);
      expect(shared.gramError).not.toBe(directGramError(cols));
    }
  });

  it("are not used where the waves are not the lattice's, the symbol vanishes, or products underflow", () => {
    const angles = reals(random, 9).map((t) => 3 * t);
    set(shared, { cos: angles.map(Math.cos), sin: angles.map(Math.sin), aliases: 1 });
    expectKept(shared, rows, cols);
    expect(shared.gramError).toBe(directGramError(cols));
    const nothing = new Float64Array(9);
    set(shared, { cos: nothing, sin: nothing, aliases: 1 });
    expect(shared.formGram().trace).toBe(0);
    expect(shared.gramError).toBe(directGramError(cols));
    const tiny = kernel.map((w) => w * 2 ** -400);
    const small = set(wasmKernels.symbol(tiny, rows, cols, 9, lattice), waves([3, 3], [[0.1, 0.2]]));
    small.formGram();
    expect(small.gramError).toBe(directGramError(cols));
  });

  it("are not prepared where that costs more than it saves", () => {
    for (const frequencies of [1, 10, 100]) {
      const symbol = wasmKernels.symbol(kernel, rows, cols, 9, { size: [3, 3], frequencies });
      set(symbol, waves([3, 3], [[0.1, 0.2]])).formGram();
      expect(symbol.gramError === directGramError(cols)).toBe(frequencies < 100);
    }
  });

  it("refuse a lattice of another number of taps", () => {
    for (const size of [[3, 2], [9.5], []]) {
      expect(() => wasmKernels.symbol(kernel, rows, cols, 9, { size, frequencies: 1 })).toThrow(RangeError);
    }
  });
});
