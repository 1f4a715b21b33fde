import { expectLength, expectSize } from "./checks.ts";
import { symbol } from "./symbol.wasm.ts";
import type { FailedPivot, SymbolKernel } from "./types.ts";
import { KernelMemory } from "./wasm-module.ts";

/** What assembly/symbol.ts exports; matrices are packed by groups of four rows, triangles by 4 × 4 tiles. */
interface SymbolExports {
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
  #width = 0;
  #symbol = 0;
  #products = 0;

  constructor(kernel: Float64Array, rows: number, cols: number, taps: number) {
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
    this.#end = this.#kernel + 32 * cols * taps * this.#groups;
    this.#memory = new KernelMemory(symbol, this.#end, this.#title);
    this.#loadKernel(kernel);
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
    this.#memory.doubles(this.#gram, this.#triangleBytes / 8).fill(0);
    const groupBytes = 64 * this.#width;
    for (let first = 0; first < this.#width; first += DEPTH) {
      const bytes = 64 * Math.min(DEPTH, this.#width - first);
      const start = this.#symbol + 64 * first;
      this.#memory.exports.addGram(this.#gram, start, groupBytes, bytes, 0, this.#groups, 1);
    }
    return { trace: this.#trace() };
  }

  #trace(): number {
    const tiles = this.#memory.doubles(this.#gram, this.#triangleBytes / 8);
    let trace = 0;
    for (let i = 0; i < this.#rows; i++) {
      const g = Math.floor(i / 4);
      trace += tiles[32 * ((g * (g + 1)) / 2 + g) + 9 * (i % 4)]!;
    }
    return trace;
  }

  shiftedCholesky(shift: number): FailedPivot {
    const { shiftTiles, cholesky } = this.#memory.exports;
    shiftTiles(this.#gram, this.#factor, this.#rows, shift);
    const failed = cholesky(this.#factor, this.#groups, this.#panel);
    return failed < 0 ? null : failed;
  }
}
