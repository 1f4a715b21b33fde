import { transpose } from "../../linalg/matrix.ts";
import { addUp, mulUp, sqrtUp } from "../../linalg/rounding.ts";
import { bilinearImage } from "./bilinear-image.ts";
import { multiplier } from "./block-product.ts";
import { normOverBox } from "./box-norm.ts";
import type { Box, GeneralOperation, Sensitivity } from "./operation.ts";

/** One operand of a batch of products: matrices in a vector, entry (i, j) at begin + i·row + j·col. */
export interface Operand {
  readonly row: number;
  readonly col: number;
  /** Where its matrix of each product begins. */
  readonly begins: Int32Array;
  /** Length of the vector. */
  readonly size: number;
}

/** Y_b = factor·A_b B_b, A_b rows × inner and B_b inner × cols; the results are row-major, one after another. */
export interface Products {
  readonly rows: number;
  readonly inner: number;
  readonly cols: number;
  readonly left: Operand;
  readonly right: Operand;
  readonly factor: number;
}

/** A matrix of an operand, row-major; shares memory with `x` where it lies so. */
export function readMatrix(
  x: Float64Array,
  { row, col }: Operand,
  begin: number,
  rows: number,
  cols: number,
): Float64Array {
  if (col === 1 && row === cols) return x.subarray(begin, begin + rows * cols);
  const y = new Float64Array(rows * cols);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) y[i * cols + j] = x[begin + i * row + j * col];
  }
  return y;
}

/** Adds factor·(a row-major matrix) to a matrix of an operand. */
function addMatrix(
  x: Float64Array,
  { row, col }: Operand,
  begin: number,
  matrix: Float64Array,
  cols: number,
  factor: number,
): void {
  for (let at = 0, i = 0; at < matrix.length; i++) {
    for (let j = 0; j < cols; j++, at++) x[begin + i * row + j * col] += factor * matrix[at];
  }
}

/** The products of two signals, in this order. */
export function bilinear(products: Products): GeneralOperation {
  const { rows: m, inner: k, cols: n, left, right, factor } = products;
  const batch = left.begins.length;
  const size = m * n;
  const addProducts = (a: Float64Array, b: Float64Array, y: Float64Array) => {
    const of = multiplier(m, k, n);
    const out = new Float64Array(size);
    for (let t = 0; t < batch; t++) {
      of.multiply(
        readMatrix(a, left, left.begins[t], m, k),
        readMatrix(b, right, right.begins[t], k, n),
        out,
      );
      for (let i = 0; i < size; i++) y[t * size + i] += factor * out[i];
    }
    of.release();
    return y;
  };
  return {
    kind: "general",
    forward: ([a, b]) => addProducts(a, b, new Float64Array(batch * size)),
    jvp: ([a, b], _y, [da, db]) => addProducts(a, db, addProducts(da, b, new Float64Array(batch * size))),
    vjp([a, b], _y, dy) {
      const da = new Float64Array(left.size);
      const db = new Float64Array(right.size);
      const [toLeft, toRight] = [multiplier(m, n, k), multiplier(k, m, n)];
      for (let t = 0; t < batch; t++) {
        const given = dy.subarray(t * size, (t + 1) * size);
        const at = readMatrix(a, left, left.begins[t], m, k);
        const bt = readMatrix(b, right, right.begins[t], k, n);
        addMatrix(da, left, left.begins[t], toLeft.multiply(given, transpose(bt, k, n)), k, factor);
        addMatrix(db, right, right.begins[t], toRight.multiply(transpose(at, m, k), given), n, factor);
      }
      toLeft.release();
      toRight.release();
      return [da, db];
    },
    image: ([a, b]) => bilinearImage(products, a, b),
    local: ([a, b]) => local(products, a, b),
  };
}

/** ΔY = ΔA·B + A′·ΔB: an operand moves the result by at most the other one's norm. */
function local(products: Products, a: Box, b: Box): Sensitivity | null {
  const { rows: m, inner: k, cols: n, left, right, factor } = products;
  const norms = (box: Box, operand: Operand, rows: number, cols: number) => {
    const known = new Map<number, number>();
    return Float64Array.from(operand.begins, (begin) => {
      const norm = known.get(begin) ?? normOverBox(readBox(box, operand, begin, rows, cols), rows, cols);
      known.set(begin, norm);
      return norm;
    });
  };
  const constants = [
    mulUp(Math.abs(factor), reach(left.begins, norms(b, right, k, n))),
    mulUp(Math.abs(factor), reach(right.begins, norms(a, left, m, k))),
  ];
  return constants.every(Number.isFinite) ? { constants, join: "sum" } : null;
}

/** The part of a box that is one matrix, row-major. */
export function readBox(box: Box, operand: Operand, begin: number, rows: number, cols: number): Box {
  return {
    lo: readMatrix(box.lo, operand, begin, rows, cols),
    hi: readMatrix(box.hi, operand, begin, rows, cols),
  };
}

/** How far products that share an operand move together: the root of the sum of the squares of their norms. */
function reach(begins: Int32Array, norms: Float64Array): number {
  const squares = new Map<number, number>();
  begins.forEach((begin, t) => {
    squares.set(begin, addUp(squares.get(begin) ?? 0, mulUp(norms[t], norms[t])));
  });
  if (squares.size === begins.length) return norms.reduce((x, y) => Math.max(x, y), 0);
  return sqrtUp(Math.max(...squares.values()));
}
