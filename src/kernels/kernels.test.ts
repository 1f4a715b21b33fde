import { afterEach, describe, expect, it, vi } from "vitest";
import { kernels, plainKernels, wasmKernels } from "./index.ts";
import {
  blockOf,
  encode,
  generator,
  integers,
  product,
  reals,
  STORAGE_TYPES,
  same,
  transpose,
  worstRatio,
} from "./test-data.ts";
import type { RowBlock } from "./types.ts";

const NAMES = ["apply", "adjoint", "gram", "applyBlock", "adjointBlock", "gramBlock"] as const;

type Products = Record<(typeof NAMES)[number], Float64Array>;

/** Every product a block offers, run on one block. */
function productsOf(
  block: RowBlock,
  v: Float64Array,
  y: Float64Array,
  x: Float64Array,
  z: Float64Array,
): Products {
  const { rows, cols } = block;
  const count = cols > 0 ? x.length / cols : 0;
  const result = {
    apply: new Float64Array(rows).fill(Number.NaN),
    adjoint: new Float64Array(cols).fill(Number.NaN),
    gram: new Float64Array(cols).fill(Number.NaN),
    applyBlock: new Float64Array(rows * count).fill(Number.NaN),
    adjointBlock: new Float64Array(cols * count).fill(Number.NaN),
    gramBlock: new Float64Array(cols * count).fill(Number.NaN),
  };
  block.apply(v, result.apply);
  block.adjoint(y, result.adjoint);
  block.gram(v, result.gram);
  block.applyBlock(x, count, result.applyBlock);
  block.adjointBlock(z, count, result.adjointBlock);
  block.gramBlock(x, count, result.gramBlock);
  return result;
}

/** The same by plain loops over row-major float64 entries. */
function expectedProducts(
  a: Float64Array,
  rows: number,
  cols: number,
  v: Float64Array,
  y: Float64Array,
  x: Float64Array,
  z: Float64Array,
): Products {
  const count = x.length / cols;
  const t = transpose(a, rows, cols);
  const av = product(a, v, rows, cols, 1);
  const ax = product(a, x, rows, cols, count);
  return {
    apply: av,
    adjoint: product(t, y, cols, rows, 1),
    gram: product(t, av, cols, rows, 1),
    applyBlock: ax,
    adjointBlock: product(t, z, cols, rows, count),
    gramBlock: product(t, ax, cols, rows, count),
  };
}

describe.each([wasmKernels, plainKernels])("row blocks ($name)", (K) => {
  it.each(STORAGE_TYPES)("multiplies whole numbers exactly at every size below 40: %s", (type) => {
    const random = generator(1);
    const wrong: string[] = [];
    for (let rows = 1; rows < 40; rows++) {
      // Every pair of remainders occurs many times; all sizes of one side are met with each of the other.
      for (let cols = 1 + (rows % 2); cols < 40; cols += 2) {
        const count = 1 + ((rows + 3 * cols) % 9);
        const a = integers(random, rows * cols);
        const v = integers(random, cols);
        const y = integers(random, rows);
        const x = integers(random, cols * count);
        const z = integers(random, rows * count);
        const actual = productsOf(blockOf(K, type, a, rows, cols), v, y, x, z);
        const expected = expectedProducts(a, rows, cols, v, y, x, z);
        for (const name of NAMES) {
          if (!same(actual[name], expected[name])) wrong.push(`${name} ${rows} × ${cols} × ${count}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it.each([
    [1, 3001, 5],
    [2999, 1, 3],
    [5, 1030, 33],
    [131, 517, 20],
    [261, 258, 17],
    [517, 70, 64],
  ])("multiplies %i × %i by %i columns within the error of float64 sums", (rows, cols, count) => {
    const random = generator(rows);
    const a = Float64Array.from(reals(random, rows * cols), Math.fround);
    const v = reals(random, cols);
    const y = reals(random, rows);
    const x = reals(random, cols * count);
    const z = reals(random, rows * count);
    const actual = productsOf(blockOf(K, "float32", a, rows, cols), v, y, x, z);
    const expected = expectedProducts(a, rows, cols, v, y, x, z);
    const size = (array: Float64Array): Float64Array => array.map(Math.abs);
    const sums = expectedProducts(size(a), rows, cols, size(v), size(y), size(x), size(z));
    // Both sides err by at most γ of the sum of magnitudes; one unit more covers rounding in the bound.
    const [applied, transposed] = [cols + 2, rows + 2];
    const roundings = {
      apply: applied,
      adjoint: transposed,
      gram: applied + transposed,
      applyBlock: applied,
      adjointBlock: transposed,
      gramBlock: applied + transposed,
    };
    for (const name of NAMES) {
      const bound = sums[name].map((sum) => 2 * roundings[name] * 2 ** -53 * sum);
      expect(worstRatio(actual[name], expected[name], bound), name).toBeLessThanOrEqual(1);
    }
  });

  it.each([
    ["float16", (bits: number) => halfValue(bits)],
    ["bfloat16", (bits: number) => new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!],
  ] as const)("reads every finite %s bit pattern exactly", (type, value) => {
    const bits = Uint16Array.from({ length: 65536 }, (_, i) => (Number.isFinite(value(i)) ? i : 0));
    const values = Float64Array.from(bits, value);
    const block = K.rowBlock(type, 256, 256);
    block.load(new Uint8Array(bits.buffer), 0);
    const read = new Float64Array(65536);
    block.applyBlock(identity(256), 256, read);
    expect(same(read, values)).toBe(true);
    block.adjointBlock(identity(256), 256, read);
    expect(same(read, transpose(values, 256, 256))).toBe(true);
    const line = new Float64Array(256);
    for (let j = 0; j < 256; j += 5) {
      const unit = new Float64Array(256);
      unit[j] = 1;
      block.apply(unit, line);
      if (!line.every((entry, i) => entry === values[i * 256 + j])) expect.fail(`column ${j} by apply`);
      block.adjoint(unit, line);
      if (!line.every((entry, i) => entry === values[j * 256 + i])) expect.fail(`row ${j} by adjoint`);
    }
  });

  it.each([
    ["float32", [2 ** -149, -(2 ** -149), 2 ** -126, 3.4028234663852886e38, -1e-45, 0, -0, 2 ** 127]],
    ["float64", [5e-324, -5e-324, 2 ** -1022, 1.7976931348623157e308, -1e-310, 0, -0, 1 / 3]],
  ] as const)("reads extreme %s values exactly", (type, values) => {
    const stored = Float64Array.from(values, (value) => (type === "float32" ? Math.fround(value) : value));
    const block = blockOf(K, type, stored, 8, 1);
    const read = new Float64Array(8);
    block.apply(Float64Array.of(1), read);
    expect(same(read, stored)).toBe(true);
    const scan = block.scan(1);
    expect(scan.finite).toBe(true);
    expect(scan.maxAbs).toBe(Math.max(...stored.map(Math.abs)));
  });

  it.each(STORAGE_TYPES)("finds one NaN or infinity anywhere: %s", (type) => {
    for (const [rows, cols] of [
      [1, 1],
      [3, 5],
      [7, 6],
      [4, 8],
    ] as const) {
      for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        for (let at = 0; at < rows * cols; at++) {
          const values = new Float64Array(rows * cols).fill(-1.5);
          expect(blockOf(K, type, values, rows, cols).scan(1).finite).toBe(true);
          values[at] = wrong;
          expect(blockOf(K, type, values, rows, cols).scan(1).finite).toBe(false);
        }
      }
    }
  });

  it.each(STORAGE_TYPES)("scans the largest magnitude and the scaled sum of squares: %s", (type) => {
    const random = generator(3);
    for (const [rows, cols] of [
      [1, 1],
      [5, 3],
      [33, 37],
      [700, 501],
    ] as const) {
      const values = integers(random, rows * cols);
      values[rows * cols - 1] = -11;
      const squares = values.reduce((sum, value) => sum + value * value, 0);
      const block = blockOf(K, type, values, rows, cols);
      expect(block.scan(1)).toEqual({ finite: true, maxAbs: 11, sumOfSquares: squares });
      expect(block.scan(0.25)).toEqual({ finite: true, maxAbs: 11, sumOfSquares: squares / 16 });
    }
  });

  it("scans huge and tiny entries without overflow or underflow when scaled", () => {
    const huge = blockOf(K, "float64", Float64Array.of(2 ** 1000, 2 ** 1000, -(2 ** 1000)), 1, 3);
    expect(huge.scan(2 ** -1000)).toEqual({ finite: true, maxAbs: 2 ** 1000, sumOfSquares: 3 });
    const tiny = blockOf(K, "float32", Float64Array.of(2 ** -149, -(2 ** -149)), 2, 1);
    expect(tiny.scan(2 ** 149)).toEqual({ finite: true, maxAbs: 2 ** -149, sumOfSquares: 2 });
    expect(K.rowBlock("float16", 3, 3).scan(2 ** 1022)).toEqual({ finite: true, maxAbs: 0, sumOfSquares: 0 });
  });

  it.each(STORAGE_TYPES)("loads in pieces from unaligned bytes: %s", (type) => {
    const random = generator(4);
    const [rows, cols] = [7, 11];
    const values = integers(random, rows * cols);
    const bytes = encode(type, values);
    const size = bytes.length / values.length;
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    const block = K.rowBlock(type, rows, cols);
    for (let i = 0; i < values.length; ) {
      const length = Math.min(1 + Math.floor(random() * 25), values.length - i);
      block.load(shifted.subarray(1 + i * size, 1 + (i + length) * size), i);
      i += length;
    }
    const read = new Float64Array(rows * cols);
    block.applyBlock(identity(cols), cols, read);
    expect(same(read, values)).toBe(true);
  });

  it("may be given one array as argument and result", () => {
    const block = blockOf(K, "float64", Float64Array.of(1, 2, 3, 4), 2, 2);
    const v = Float64Array.of(1, 1);
    block.gram(v, v);
    expect(Array.from(v)).toEqual([24, 34]);
  });

  it("gives zero-filled blocks again after others are released, and refuses released ones", () => {
    const [rows, cols] = [600, 700];
    const ones = new Float64Array(rows * cols).fill(1);
    for (const size of [cols, cols - 1, cols - 30, cols]) {
      const block = K.rowBlock("float64", rows, size);
      expect(block.scan(1)).toEqual({ finite: true, maxAbs: 0, sumOfSquares: 0 });
      block.load(encode("float64", ones.subarray(0, rows * size)), 0);
      const y = new Float64Array(rows);
      block.apply(new Float64Array(size).fill(1), y);
      expect(y.every((value) => value === size)).toBe(true);
      block.release();
      expect(() => block.scan(1)).toThrow("released");
      expect(() => block.apply(new Float64Array(size), y)).toThrow("released");
    }
  });

  it("works on empty blocks", () => {
    const none = new Float64Array(0);
    const block = K.rowBlock("float32", 0, 3);
    const w = Float64Array.of(7, 7, 7);
    block.gram(Float64Array.of(1, 2, 3), w);
    expect(Array.from(w)).toEqual([0, 0, 0]);
    block.applyBlock(none, 0, none);
    expect(block.scan(1)).toEqual({ finite: true, maxAbs: 0, sumOfSquares: 0 });
    const y = Float64Array.of(7, 7);
    K.rowBlock("bfloat16", 2, 0).apply(none, y);
    expect(Array.from(y)).toEqual([0, 0]);
  });

  it("refuses wrong lengths, places and sizes", () => {
    const block = K.rowBlock("float32", 2, 3);
    const [two, three] = [new Float64Array(2), new Float64Array(3)];
    expect(() => block.apply(two, two)).toThrow(RangeError);
    expect(() => block.apply(three, three)).toThrow("y must have length 2, got 3");
    expect(() => block.adjoint(three, three)).toThrow(RangeError);
    expect(() => block.gram(three, two)).toThrow(RangeError);
    expect(() => block.applyBlock(three, 2, two)).toThrow(RangeError);
    expect(() => block.load(new Uint8Array(8), 5)).toThrow(RangeError);
    expect(() => block.load(new Uint8Array(6), 0)).toThrow(RangeError);
    expect(() => K.rowBlock("float32", -1, 3)).toThrow(RangeError);
    expect(() => K.rowBlock("float64", 2 ** 20, 2 ** 20)).toThrow(RangeError);
  });
});

describe("WebAssembly memory", () => {
  it("names a block beyond the address space", () => {
    expect(() => wasmKernels.rowBlock("bfloat16", 65536, 32768)).toThrow(/65536 × 32768 needs \d+ bytes/);
  });

  it("is given back: thousands of short-lived blocks", () => {
    let sum = 0;
    for (let i = 0; i < 3000; i++) {
      const block = blockOf(wasmKernels, "float64", Float64Array.of(i), 1, 1);
      sum += block.scan(1).maxAbs;
    }
    expect(sum).toBe((2999 * 3000) / 2);
  });
});

describe("kernels()", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.resetModules();
  });

  it("are the WebAssembly ones here", () => {
    expect(kernels()).toBe(wasmKernels);
  });

  it.each([
    ["no WebAssembly", undefined],
    ["no SIMD", { validate: () => false }],
  ])("are the plain ones with %s", async (_, engine) => {
    vi.stubGlobal("WebAssembly", engine);
    vi.resetModules();
    const fresh = await import("./index.ts");
    expect(fresh.kernels().name).toBe("plain");
  });
});

function identity(n: number): Float64Array {
  return Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
}

/** IEEE 754 binary16 by the textbook. */
function halfValue(bits: number): number {
  const exponent = (bits >> 10) % 32;
  const fraction = (bits % 1024) / 1024;
  const sign = (-1) ** (bits >> 15);
  if (exponent === 31) return Number.NaN;
  return exponent === 0 ? sign * 2 ** -14 * fraction : sign * 2 ** (exponent - 15) * (1 + fraction);
}
