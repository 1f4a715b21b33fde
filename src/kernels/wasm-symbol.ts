import { expectLength, expectSize } from "./checks.ts";
import { directGramError } from "./gram-error.ts";
import { symbol } from "./symbol.wasm.ts";
import type { FailedPivot, SymbolKernel, TapLattice } from "./types.ts";
import { type LagExports, lagBytes, WasmLags, worthwhileLags } from "./wasm-lags.ts";
import { KernelMemory } from "./wasm-module.ts";

/** What assembly/symbol.ts exports; matrices are packed by groups of four rows, triangles by 4 × 4 tiles. */
interface SymbolExports extends LagExports {
  setFrequency(
    kernel: number,
    groups: number,
    cols: number,
    taps: number,
    waves: number,
    aliases: number,
    to: number,
  ): void;
  gram(symbol: number, groups: number, width: number, x: number, t: number, y: number): void;
  addGram(
    tiles: number,
    packed: number,
    groupBytes: number,
    bytes: number,
    from: number,
    groups: number,
    sign: number,
  ): void;
  squares(symbol: number, groups: number, width: number): number;
  shiftTiles(from: number, to: number, n: number, shift: number): void;
  cholesky(tiles: number, groups: number, packed: number): number;
}

/** The kernels' own tile of sums lies below. */
const START = 256;

/** Complex columns multiplied at a time: a packed group of 8 KiB. */
const DEPTH = 128;

/** Symbols of one kernel in WebAssembly memory of its own. */
export class WasmSymbol implements SymbolKernel {
  readonly #memory: KernelMemory<SymbolExports>;
  readonly #rows: number;
  readonly #cols: number;
  readonly #taps: number;
  /** Groups of four rows. */
  readonly #groups: number;
  readonly #x = START;
  readonly #y: number;
  readonly #gram: number;
  readonly #factor: number;
  readonly #panel: number;
  readonly #kernel: number;
  /** Where the parts begin that depend on the number of aliases. */
  readonly #end: number;
  readonly #lags: WasmLags | undefined;
  #aliases = 1;
  #waves = { cos: new Float64Array(0), sin: new Float64Array(0) };
  #gramError = Number.POSITIVE_INFINITY;
  #width = 0;
  #symbol = 0;
  #products = 0;

  constructor(kernel: Float64Array, rows: number, cols: number, taps: number, lattice?: TapLattice) {
    expectSize("rows", rows, 1);
    expectSize("cols", cols, 1);
    expectSize("taps", taps, 1);
    expectLength("kernel", kernel, rows * cols * taps);
    this.#rows = rows;
    this.#cols = cols;
    this.#taps = taps;
    this.#groups = Math.ceil(rows / 4);
    this.#y = this.#x + 64 * this.#groups;
    this.#gram = this.#y + 64 * this.#groups;
    this.#factor = this.#gram + this.#triangleBytes;
    this.#panel = this.#factor + this.#triangleBytes;
    this.#kernel = this.#panel + 64 * DEPTH * this.#groups;
    const lags = lattice && worthwhileLags(lattice, rows, cols, taps);
    const free = this.#kernel + 32 * cols * taps * this.#groups;
    this.#end = free + (lags ? lagBytes(lags, this.#groups) : 0);
    this.#memory = new KernelMemory(symbol, this.#end, this.#title);
    this.#loadKernel(kernel);
    const packed = { address: this.#kernel, groups: this.#groups, cols, taps };
    this.#lags = lags && new WasmLags(this.#memory, lags, packed, kernel, free, this.#end, this.#title);
  }

  get #title(): string {
    return `the symbols of a ${this.#rows} × ${this.#cols} × ${this.#taps} kernel`;
  }

  get #triangleBytes(): number {
    return 128 * this.#groups * (this.#groups + 1);
  }

  /** Interleaves the rows of each group. */
  #loadKernel(kernel: Float64Array): void {
    const length = this.#cols * this.#taps;
    const to = this.#memory.doubles(this.#kernel, 4 * this.#groups * length);
    for (let r = 0; r < this.#rows; r++) {
      const start = (r - (r % 4)) * length + (r % 4);
      for (let i = 0; i < length; i++) to[start + 4 * i] = kernel[r * length + i]!;
    }
  }

  setFrequency(cos: Float64Array, sin: Float64Array, aliases: number): void {
    expectSize("aliases", aliases, 1);
    const count = aliases * this.#taps;
    expectLength("cos", cos, count);
    expectLength("sin", sin, count);
    this.#gramError = Number.POSITIVE_INFINITY;
    this.#aliases = aliases;
    this.#waves = { cos: cos.slice(), sin: sin.slice() };
    this.#width = this.#cols * aliases;
    this.#products = this.#end + 16 * count;
    this.#symbol = this.#products + 32 * this.#width;
    this.#memory.reserve(this.#symbol + 64 * this.#width * this.#groups, this.#title);
    const waves = this.#memory.doubles(this.#end, 2 * count);
    for (let q = 0; q < count; q++) {
      waves[2 * q] = cos[q]!;
      waves[2 * q + 1] = sin[q]!;
    }
    const { setFrequency } = this.#memory.exports;
    setFrequency(this.#kernel, this.#groups, this.#cols, this.#taps, this.#end, aliases, this.#symbol);
  }

  matrix(): { re: Float64Array; im: Float64Array } {
    const width = this.#width;
    const re = new Float64Array(this.#rows * width);
    const im = new Float64Array(this.#rows * width);
    const from = this.#memory.doubles(this.#symbol, 8 * width * this.#groups);
    for (let r = 0; r < this.#rows; r++) {
      const start = (r - (r % 4)) * 2 * width + (r % 4);
      for (let c = 0; c < width; c++) {
        re[r * width + c] = from[start + 8 * c]!;
        im[r * width + c] = from[start + 8 * c + 4]!;
      }
    }
    return { re, im };
  }

  gram(x: Float64Array, y: Float64Array): void {
    expectLength("x", x, 2 * this.#rows);
    expectLength("y", y, 2 * this.#rows);
    this.#memory.doubles(this.#x, 2 * this.#rows).set(x);
    this.#memory.exports.gram(this.#symbol, this.#groups, this.#width, this.#x, this.#products, this.#y);
    y.set(this.#memory.doubles(this.#y, 2 * this.#rows));
  }

  formGram(): { trace: number } {
    const trace = this.#memory.exports.squares(this.#symbol, this.#groups, this.#width);
    this.#gramError = this.#shareLags(trace) ?? this.#multiply();
    return { trace };
  }

  get gramError(): number {
    return this.#gramError;
  }

  #shareLags(trace: number): number | null {
    if (!this.#lags) return null;
    const squareSum = trace * (1 - (2 * this.#width + this.#rows + 4) * 2 ** -52);
    const { cos, sin } = this.#waves;
    return this.#lags.form(cos, sin, this.#aliases, squareSum, this.#gram);
  }

  /** F Fᴴ by its definition. */
  #multiply(): number {
    this.#memory.doubles(this.#gram, this.#triangleBytes / 8).fill(0);
    const groupBytes = 64 * this.#width;
    for (let first = 0; first < this.#width; first += DEPTH) {
      const bytes = 64 * Math.min(DEPTH, this.#width - first);
      const start = this.#symbol + 64 * first;
      this.#memory.exports.addGram(this.#gram, start, groupBytes, bytes, 0, this.#groups, 1);
    }
    return directGramError(this.#width);
  }

  gramMatrix(): { re: Float64Array; im: Float64Array } {
    const n = this.#rows;
    const re = new Float64Array(n * n);
    const im = new Float64Array(n * n);
    const tiles = this.#memory.doubles(this.#gram, this.#triangleBytes / 8);
    for (let i = 0; i < n; i++) {
      const g = Math.floor(i / 4);
      for (let j = 0; j <= i; j++) {
        const at = 32 * ((g * (g + 1)) / 2) + 8 * j + (i % 4);
        re[i * n + j] = tiles[at]!;
        im[i * n + j] = tiles[at + 4]!;
      }
    }
    return { re, im };
  }

  shiftedCholesky(shift: number): FailedPivot {
    const { shiftTiles, cholesky } = this.#memory.exports;
    shiftTiles(this.#gram, this.#factor, this.#rows, shift);
    const failed = cholesky(this.#factor, this.#groups, this.#panel);
    return failed < 0 ? null : failed;
  }
}
