import { bfloat16Rows } from "./bfloat16-rows.wasm.ts";
import { expectElements, expectLength, expectSize } from "./checks.ts";
import { float16Rows } from "./float16-rows.wasm.ts";
import { float32Rows } from "./float32-rows.wasm.ts";
import { float64Rows } from "./float64-rows.wasm.ts";
import { STORAGE_BYTES } from "./storage.ts";
import type { BlockScan, RowBlock, StorageType } from "./types.ts";
import { KernelMemory, padded } from "./wasm-module.ts";

/** What assembly/row-block.ts exports. Sizes are in elements and addresses and strides in bytes. */
interface RowExports {
  pass(
    data: number,
    rows: number,
    stride: number,
    v: number,
    w: number,
    bytes: number,
    y: number,
    forward: boolean,
    backward: boolean,
  ): void;
  gram(data: number, rows: number, stride: number, v: number, w: number, bytes: number, y: number): void;
  scan(start: number, bytes: number, scale: number, out: number): void;
  packRows(start: number, rows: number, stride: number, length: number, scale: number, to: number): void;
  packDense(start: number, rows: number, count: number, to: number): void;
  applyBlock(
    data: number,
    rows: number,
    stride: number,
    cols: number,
    packed: number,
    count: number,
    y: number,
    group: number,
  ): void;
  adjointBlock(
    data: number,
    rows: number,
    stride: number,
    cols: number,
    packed: number,
    count: number,
    x: number,
    group: number,
  ): void;
}

const MODULES: Readonly<Record<StorageType, string>> = {
  float64: float64Rows,
  float32: float32Rows,
  float16: float16Rows,
  bfloat16: bfloat16Rows,
};

/** Where decoded magnitudes can only come from stored infinities and NaN (see assembly/storage.ts). */
const BEYOND: Readonly<Record<StorageType, number>> = {
  float64: Number.POSITIVE_INFINITY,
  float32: Number.POSITIVE_INFINITY,
  float16: 2 ** 16,
  bfloat16: Number.POSITIVE_INFINITY,
};

/** Results of `scan`, then the tile of block products. */
const SMALL = 0;
/** A packed group of four vectors, 256 entries deep, as in assembly/blocks.ts. */
const GROUP = 128;
const VECTORS = GROUP + 256 * 32;

/** Bytes scanned per call. */
const SCAN_CHUNK = 2 ** 20;

/** Rows whose block product is taken back and forth at a time, while they are in the cache. */
const GRAM_ROWS = 128;

/** Rows in WebAssembly memory of their own, each padded with zeros to a multiple of four elements. */
export class WasmRowBlock implements RowBlock {
  readonly type: StorageType;
  readonly rows: number;
  readonly cols: number;
  readonly #memory: KernelMemory<RowExports>;
  /** Elements from one row to the next. */
  readonly #width: number;
  readonly #stride: number;
  readonly #v = VECTORS;
  readonly #w: number;
  readonly #y: number;
  readonly #data: number;
  /** Where scratch space for block products begins. */
  readonly #end: number;

  constructor(type: StorageType, rows: number, cols: number) {
    expectSize("rows", rows, 0);
    expectSize("cols", cols, 0);
    this.type = type;
    this.rows = rows;
    this.cols = cols;
    this.#width = padded(cols);
    this.#stride = this.#width * STORAGE_BYTES[type];
    this.#w = this.#v + 8 * this.#width;
    this.#y = this.#w + 8 * this.#width;
    this.#data = this.#y + 8 * padded(rows);
    this.#end = this.#data + 32 * Math.ceil((rows * this.#stride) / 32);
    this.#memory = new KernelMemory(MODULES[type], this.#end, this.#title);
  }

  get #title(): string {
    return `a ${this.type} block of ${this.rows} × ${this.cols}`;
  }

  release(): void {
    this.#memory.release();
  }

  load(bytes: Uint8Array, offset: number): void {
    const count = expectElements(this.type, bytes, offset, this.rows * this.cols);
    const size = STORAGE_BYTES[this.type];
    const all = this.#memory.bytes(this.#data, this.rows * this.#stride);
    if (this.#width === this.cols) {
      all.set(bytes, offset * size);
      return;
    }
    for (let i = 0; i < count; ) {
      const row = Math.floor((offset + i) / this.cols);
      const column = offset + i - row * this.cols;
      const length = Math.min(this.cols - column, count - i);
      all.set(bytes.subarray(i * size, (i + length) * size), row * this.#stride + column * size);
      i += length;
    }
  }

  scan(scale: number): BlockScan {
    const bytes = this.rows * this.#stride;
    this.#memory.doubles(SMALL, 3).fill(0);
    for (let i = 0; i < bytes; i += SCAN_CHUNK) {
      this.#memory.exports.scan(this.#data + i, Math.min(SCAN_CHUNK, bytes - i), scale, SMALL);
    }
    const [maxAbs, sumOfSquares, wrong] = this.#memory.doubles(SMALL, 3);
    return {
      finite: wrong === 0 && maxAbs! < BEYOND[this.type],
      maxAbs: maxAbs!,
      sumOfSquares: sumOfSquares!,
    };
  }

  apply(v: Float64Array, y: Float64Array): void {
    expectLength("v", v, this.cols);
    expectLength("y", y, this.rows);
    this.#memory.doubles(this.#v, this.cols).set(v);
    this.#pass(true, false);
    y.set(this.#memory.doubles(this.#y, this.rows));
  }

  adjoint(y: Float64Array, w: Float64Array): void {
    expectLength("y", y, this.rows);
    expectLength("w", w, this.cols);
    this.#memory.doubles(this.#y, this.rows).set(y);
    this.#memory.doubles(this.#w, this.cols).fill(0);
    this.#pass(false, true);
    w.set(this.#memory.doubles(this.#w, this.cols));
  }

  gram(v: Float64Array, w: Float64Array): void {
    expectLength("v", v, this.cols);
    expectLength("w", w, this.cols);
    this.#memory.doubles(this.#v, this.cols).set(v);
    this.#memory.doubles(this.#w, this.cols).fill(0);
    const bytes = 8 * this.#width;
    this.#memory.exports.gram(this.#data, this.rows, this.#stride, this.#v, this.#w, bytes, this.#y);
    w.set(this.#memory.doubles(this.#w, this.cols));
  }

  #pass(forward: boolean, backward: boolean): void {
    const { exports } = this.#memory;
    const bytes = 8 * this.#width;
    exports.pass(this.#data, this.rows, this.#stride, this.#v, this.#w, bytes, this.#y, forward, backward);
  }

  applyBlock(x: Float64Array, count: number, y: Float64Array): void {
    expectLength("x", x, this.cols * count);
    expectLength("y", y, this.rows * count);
    const wide = padded(count);
    const { plain, packed } = this.#scratch(Math.max(padded(this.rows), this.#width) * wide, 0);
    this.#pack(x, this.#width, count, plain, packed);
    this.#memory.doubles(plain, padded(this.rows) * wide).fill(0);
    this.#memory.exports.applyBlock(
      this.#data,
      this.rows,
      this.#stride,
      this.#width,
      packed,
      wide,
      plain,
      GROUP,
    );
    this.#copyOut(plain, count, y);
  }

  adjointBlock(y: Float64Array, count: number, x: Float64Array): void {
    expectLength("y", y, this.rows * count);
    expectLength("x", x, this.cols * count);
    const wide = padded(count);
    const { plain, packed } = this.#scratch(Math.max(this.rows, this.#width) * wide, 0);
    this.#pack(y, this.rows, count, plain, packed);
    this.#memory.doubles(plain, this.#width * wide).fill(0);
    this.#memory.exports.adjointBlock(
      this.#data,
      this.rows,
      this.#stride,
      this.#width,
      packed,
      wide,
      plain,
      GROUP,
    );
    this.#copyOut(plain, count, x);
  }

  gramBlock(x: Float64Array, count: number, z: Float64Array): void {
    expectLength("x", x, this.cols * count);
    expectLength("z", z, this.cols * count);
    const wide = padded(count);
    const { plain, packed, products, packedProducts } = this.#scratch(this.#width * wide, GRAM_ROWS * wide);
    this.#pack(x, this.#width, count, plain, packed);
    this.#memory.doubles(plain, this.#width * wide).fill(0);
    const { applyBlock, adjointBlock, packDense } = this.#memory.exports;
    for (let i = 0; i < this.rows; i += GRAM_ROWS) {
      const rows = Math.min(GRAM_ROWS, this.rows - i);
      const data = this.#data + i * this.#stride;
      this.#memory.doubles(products, GRAM_ROWS * wide).fill(0);
      applyBlock(data, rows, this.#stride, this.#width, packed, wide, products, GROUP);
      packDense(products, rows, wide, packedProducts);
      adjointBlock(data, rows, this.#stride, this.#width, packedProducts, wide, plain, GROUP);
    }
    this.#copyOut(plain, count, z);
  }

  /** Two regions of `size` doubles and two of `productSize`, after the rows. */
  #scratch(
    size: number,
    productSize: number,
  ): { plain: number; packed: number; products: number; packedProducts: number } {
    const plain = this.#end;
    const packed = plain + 8 * size;
    const products = packed + 8 * size;
    const packedProducts = products + 8 * productSize;
    this.#memory.reserve(packedProducts + 8 * productSize, `a block product with ${this.#title}`);
    return { plain, packed, products, packedProducts };
  }

  /** Copies a matrix with `count` columns in, padded with zeros to `rows` rows and a multiple of four columns. */
  #pack(matrix: Float64Array, rows: number, count: number, plain: number, packed: number): void {
    const wide = padded(count);
    const to = this.#memory.doubles(plain, rows * wide);
    to.fill(0);
    if (wide === count) to.set(matrix);
    else {
      for (let i = 0; i * count < matrix.length; i++) {
        to.set(matrix.subarray(i * count, (i + 1) * count), i * wide);
      }
    }
    this.#memory.exports.packDense(plain, rows, wide, packed);
  }

  #copyOut(plain: number, count: number, matrix: Float64Array): void {
    const wide = padded(count);
    if (count === 0) return;
    const rows = matrix.length / count;
    const from = this.#memory.doubles(plain, rows * wide);
    if (wide === count) matrix.set(from);
    else for (let i = 0; i < rows; i++) matrix.set(from.subarray(i * wide, i * wide + count), i * count);
  }

  /**
   * Columns first … first + depth − 1 of c·A as float64, packed by groups of four rows (32 · depth bytes each);
   * columns beyond the last are zero. `depth` and `first` are multiples of four. Valid until the next call.
   */
  packedColumns(first: number, depth: number, scale: number): Float64Array {
    const length = padded(this.rows) * depth;
    this.#memory.reserve(this.#end + 8 * length, `columns of ${this.#title}`);
    const start = this.#data + first * STORAGE_BYTES[this.type];
    this.#memory.exports.packRows(start, this.rows, this.#stride, depth, scale, this.#end);
    return this.#memory.doubles(this.#end, length);
  }
}
