import { expectLength, expectSize } from "./checks.ts";
import { directGramError } from "./gram-error.ts";
import type { FailedPivot, SymbolKernel } from "./types.ts";

/** Convolution symbols in plain JS; see `SymbolKernel`. */
export class PlainSymbol implements SymbolKernel {
  readonly #kernel: Float64Array;
  readonly #rows: number;
  readonly #cols: number;
  readonly #taps: number;
  #gramError = Number.POSITIVE_INFINITY;
  #width = 0;
  #re = new Float64Array(0);
  #im = new Float64Array(0);
  #gramRe = new Float64Array(0);
  #gramIm = new Float64Array(0);

  constructor(kernel: Float64Array, rows: number, cols: number, taps: number) {
    expectSize("rows", rows, 1);
    expectSize("cols", cols, 1);
    expectSize("taps", taps, 1);
    expectLength("kernel", kernel, rows * cols * taps);
    this.#kernel = kernel.slice();
    this.#rows = rows;
    this.#cols = cols;
    this.#taps = taps;
  }

  setFrequency(cos: Float64Array, sin: Float64Array, aliases: number): void {
    expectSize("aliases", aliases, 1);
    expectLength("cos", cos, aliases * this.#taps);
    expectLength("sin", sin, aliases * this.#taps);
    this.#gramError = Number.POSITIVE_INFINITY;
    this.#width = this.#cols * aliases;
    this.#re = new Float64Array(this.#rows * this.#width);
    this.#im = new Float64Array(this.#rows * this.#width);
    for (let r = 0; r < this.#rows; r++) {
      for (let alias = 0; alias < aliases; alias++) this.#fillRow(r, alias, cos, sin);
    }
  }

  #fillRow(r: number, alias: number, cos: Float64Array, sin: Float64Array): void {
    const taps = this.#taps;
    for (let c = 0; c < this.#cols; c++) {
      const start = (r * this.#cols + c) * taps;
      let re = 0;
      let im = 0;
      for (let q = 0; q < taps; q++) {
        re += this.#kernel[start + q]! * cos[alias * taps + q]!;
        im -= this.#kernel[start + q]! * sin[alias * taps + q]!;
      }
      const index = r * this.#width + alias * this.#cols + c;
      this.#re[index] = re;
      this.#im[index] = im;
    }
  }

  matrix(): { re: Float64Array; im: Float64Array } {
    return { re: this.#re.slice(), im: this.#im.slice() };
  }

  gram(x: Float64Array, y: Float64Array): void {
    expectLength("x", x, 2 * this.#rows);
    expectLength("y", y, 2 * this.#rows);
    const width = this.#width;
    const re = new Float64Array(width);
    const im = new Float64Array(width);
    for (let r = 0; r < this.#rows; r++) {
      const xr = x[2 * r]!;
      const xi = x[2 * r + 1]!;
      for (let c = 0; c < width; c++) {
        const fr = this.#re[r * width + c]!;
        const fi = this.#im[r * width + c]!;
        re[c]! += fr * xr + fi * xi;
        im[c]! += fr * xi - fi * xr;
      }
    }
    for (let r = 0; r < this.#rows; r++) {
      let yr = 0;
      let yi = 0;
      for (let c = 0; c < width; c++) {
        const fr = this.#re[r * width + c]!;
        const fi = this.#im[r * width + c]!;
        yr += fr * re[c]! - fi * im[c]!;
        yi += fr * im[c]! + fi * re[c]!;
      }
      y[2 * r] = yr;
      y[2 * r + 1] = yi;
    }
  }

  get gramError(): number {
    return this.#gramError;
  }

  formGram(): { trace: number } {
    const n = this.#rows;
    const width = this.#width;
    this.#gramRe = new Float64Array(n * n);
    this.#gramIm = new Float64Array(n * n);
    let trace = 0;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j <= i; j++) {
        let re = 0;
        let im = 0;
        for (let c = 0; c < width; c++) {
          const ar = this.#re[i * width + c]!;
          const ai = this.#im[i * width + c]!;
          const br = this.#re[j * width + c]!;
          const bi = this.#im[j * width + c]!;
          re += ar * br + ai * bi;
          im += ai * br - ar * bi;
        }
        this.#gramRe[i * n + j] = re;
        this.#gramIm[i * n + j] = im;
      }
      trace += this.#gramRe[i * n + i]!;
    }
    this.#gramError = directGramError(width);
    return { trace };
  }

  gramMatrix(): { re: Float64Array; im: Float64Array } {
    return { re: this.#gramRe.slice(), im: this.#gramIm.slice() };
  }

  shiftedCholesky(shift: number): FailedPivot {
    const n = this.#rows;
    const re = this.#gramRe.map((value) => -value);
    const im = this.#gramIm.map((value) => -value);
    for (let i = 0; i < n; i++) re[i * n + i] = shift - this.#gramRe[i * n + i]!;
    return hermitianCholesky(re, im, n);
  }
}

/** Cholesky of re + i·im in place, row by row, lower triangle; null or the first pivot that was not > 0. */
function hermitianCholesky(re: Float64Array, im: Float64Array, n: number): FailedPivot {
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      let sumRe = re[i * n + j]!;
      let sumIm = im[i * n + j]!;
      for (let k = 0; k < j; k++) {
        const ar = re[i * n + k]!;
        const ai = im[i * n + k]!;
        const br = re[j * n + k]!;
        const bi = im[j * n + k]!;
        sumRe -= ar * br + ai * bi;
        sumIm -= ai * br - ar * bi;
      }
      re[i * n + j] = sumRe / re[j * n + j]!;
      im[i * n + j] = sumIm / re[j * n + j]!;
    }
    let pivot = re[i * n + i]!;
    for (let k = 0; k < i; k++) pivot -= re[i * n + k]! ** 2 + im[i * n + k]! ** 2;
    if (!(pivot > 0)) return i;
    re[i * n + i] = Math.sqrt(pivot);
  }
  return null;
}
