import { expectElements, expectLength, expectSize } from "./checks.ts";
import { elementReader } from "./storage.ts";
import type { BlockScan, RowBlock, StorageType } from "./types.ts";

/** What one typed array may hold in every engine we support; larger blocks must be split by the caller. */
const MAX_ELEMENTS = 2 ** 32 - 1;

/** Rows in plain JS. Half-width types are widened to float32 when loaded, which is exact. */
export class PlainRowBlock implements RowBlock {
  readonly type: StorageType;
  readonly rows: number;
  readonly cols: number;
  #entries: Float64Array | Float32Array | undefined;

  constructor(type: StorageType, rows: number, cols: number) {
    expectSize("rows", rows, 0);
    expectSize("cols", cols, 0);
    if (rows * cols > MAX_ELEMENTS) {
      throw new RangeError(`a block of ${rows} × ${cols} elements is too large; split it by rows`);
    }
    this.type = type;
    this.rows = rows;
    this.cols = cols;
    this.#entries = type === "float64" ? new Float64Array(rows * cols) : new Float32Array(rows * cols);
  }

  /** Row-major. @throws Error after `release`. */
  get entries(): Float64Array | Float32Array {
    if (!this.#entries) throw new Error("the block was released");
    return this.#entries;
  }

  release(): void {
    this.#entries = undefined;
  }

  load(bytes: Uint8Array, offset: number): void {
    const count = expectElements(this.type, bytes, offset, this.rows * this.cols);
    const read = elementReader(this.type, bytes);
    const a = this.entries;
    for (let i = 0; i < count; i++) a[offset + i] = read(i);
  }

  scan(scale: number): BlockScan {
    const a = this.entries;
    let finite = true;
    let maxAbs = 0;
    let sumOfSquares = 0;
    for (let i = 0; i < a.length; i++) {
      const magnitude = Math.abs(a[i]!);
      if (!(magnitude < Number.POSITIVE_INFINITY)) finite = false;
      if (magnitude > maxAbs) maxAbs = magnitude;
      const scaled = magnitude * scale;
      sumOfSquares += scaled * scaled;
    }
    return { finite, maxAbs, sumOfSquares };
  }

  apply(v: Float64Array, y: Float64Array): void {
    expectLength("v", v, this.cols);
    expectLength("y", y, this.rows);
    for (let i = 0; i < this.rows; i++) y[i] = this.#rowDot(i, v);
  }

  adjoint(y: Float64Array, w: Float64Array): void {
    expectLength("y", y, this.rows);
    expectLength("w", w, this.cols);
    w.fill(0);
    for (let i = 0; i < this.rows; i++) this.#addRow(i, y[i]!, w);
  }

  gram(v: Float64Array, w: Float64Array): void {
    expectLength("v", v, this.cols);
    expectLength("w", w, this.cols);
    // v and w may be the same array, so the sum is built apart.
    const sum = new Float64Array(this.cols);
    for (let i = 0; i < this.rows; i++) this.#addRow(i, this.#rowDot(i, v), sum);
    w.set(sum);
  }

  applyBlock(x: Float64Array, count: number, y: Float64Array): void {
    expectLength("x", x, this.cols * count);
    expectLength("y", y, this.rows * count);
    const a = this.entries;
    y.fill(0);
    for (let i = 0; i < this.rows; i++) {
      for (let j = 0; j < this.cols; j++) {
        addMultiple(a[i * this.cols + j]!, x, j * count, y, i * count, count);
      }
    }
  }

  adjointBlock(y: Float64Array, count: number, x: Float64Array): void {
    expectLength("y", y, this.rows * count);
    expectLength("x", x, this.cols * count);
    const a = this.entries;
    x.fill(0);
    for (let i = 0; i < this.rows; i++) {
      for (let j = 0; j < this.cols; j++) {
        addMultiple(a[i * this.cols + j]!, y, i * count, x, j * count, count);
      }
    }
  }

  gramBlock(x: Float64Array, count: number, z: Float64Array): void {
    const y = new Float64Array(this.rows * count);
    this.applyBlock(x, count, y);
    this.adjointBlock(y, count, z);
  }

  #rowDot(i: number, v: Float64Array): number {
    const a = this.entries;
    const start = i * this.cols;
    let sum = 0;
    for (let j = 0; j < v.length; j++) sum += a[start + j]! * v[j]!;
    return sum;
  }

  #addRow(i: number, factor: number, w: Float64Array): void {
    const a = this.entries;
    const start = i * this.cols;
    for (let j = 0; j < w.length; j++) w[j]! += factor * a[start + j]!;
  }
}

/** to[j] += factor · from[j] over `count` entries from the given starts. */
function addMultiple(
  factor: number,
  from: Float64Array,
  fromStart: number,
  to: Float64Array,
  toStart: number,
  count: number,
): void {
  for (let j = 0; j < count; j++) to[toStart + j]! += factor * from[fromStart + j]!;
}
