import { transpose } from "../../linalg/matrix.ts";
import { broadcastOffsets, broadcastShapes } from "../shapes/value.ts";
import { bilinear, type Operand } from "./bilinear.ts";
import { sizeOf } from "./index-maps.ts";
import { productsPart } from "./matrix-products.ts";
import type { GeneralOperation, LinearPart } from "./operation.ts";

/** One operand of a matrix product: its shape, and whether its last two axes are exchanged before the product. */
export interface MatrixOperand {
  readonly shape: readonly number[];
  readonly transposed: boolean;
}

/** A batch of products factor·op(A) op(B) with shapes resolved. */
export interface MatrixLayout {
  readonly rows: number;
  readonly inner: number;
  readonly cols: number;
  readonly factor: number;
  readonly left: Operand & { readonly transposed: boolean };
  readonly right: Operand & { readonly transposed: boolean };
}

/** A vector is a matrix of one row on the left, of one column on the right. */
function asMatrix({ shape, transposed }: MatrixOperand, side: "left" | "right"): MatrixOperand {
  if (shape.length !== 1) return { shape, transposed };
  return { shape: side === "left" ? [1, shape[0]] : [shape[0], 1], transposed: false };
}

/** NumPy's matmul with these operands: leading axes broadcast. Or what does not fit. */
export function matrixLayout(a: MatrixOperand, b: MatrixOperand, factor: number): MatrixLayout | string {
  if (a.shape.length === 0 || b.shape.length === 0) return "a matrix product takes no scalars";
  const [left, right] = [asMatrix(a, "left"), asMatrix(b, "right")];
  const batch = broadcastShapes(left.shape.slice(0, -2), right.shape.slice(0, -2)) as
    | readonly number[]
    | null;
  const [m, k] = sides(left);
  const [inner, n] = sides(right);
  if (batch === null || inner !== k) return `matrices of shapes [${a.shape}] and [${b.shape}] do not fit`;
  if (sizeOf(batch) * m * k * n === 0) return "its matrices are empty";
  const operand = ({ shape, transposed }: MatrixOperand) => {
    const [p, q] = [shape.at(-2)!, shape.at(-1)!];
    const begins = Int32Array.from(broadcastOffsets(shape.slice(0, -2), batch), (o) => o * p * q);
    const strides = transposed ? { row: 1, col: q } : { row: q, col: 1 };
    return { ...strides, begins, size: sizeOf(shape), transposed };
  };
  return { rows: m, inner: k, cols: n, factor, left: operand(left), right: operand(right) };
}

/** Rows and columns as the product sees them. */
function sides({ shape, transposed }: MatrixOperand): readonly [number, number] {
  const [p, q] = [shape.at(-2)!, shape.at(-1)!];
  return transposed ? [q, p] : [p, q];
}

/** The constant's matrices as they act on vectors: rows × cols, row-major, each begin once; and which is used where. */
function actingMatrices(
  data: Float64Array,
  { begins, transposed: turned }: MatrixLayout["left"],
  [rows, cols]: readonly [number, number],
  stored: "as it acts" | "transposed",
  factor: number,
) {
  const distinct = [...new Set(begins)];
  const matrices = new Float64Array(distinct.length * rows * cols);
  distinct.forEach((begin, i) => {
    const matrix = data.subarray(begin, begin + rows * cols);
    const acts = (stored === "as it acts") !== turned;
    matrices.set(acts ? matrix : transpose(matrix, cols, rows), i * rows * cols);
  });
  if (factor !== 1) for (let i = 0; i < matrices.length; i++) matrices[i] *= factor;
  const places = new Map(distinct.map((begin, i) => [begin, i]));
  return { matrices, which: Array.from(begins, (begin) => places.get(begin)!) };
}

/** The product with a constant on the right: it acts on the rows of A. */
function constantRight(layout: MatrixLayout, data: Float64Array): LinearPart {
  const { rows, inner, cols, factor, left } = layout;
  const { matrices, which } = actingMatrices(data, layout.right, [cols, inner], "transposed", factor);
  const common = { matrices, rows: cols, cols: inner, size: left.size, roundings: factor === 1 ? 0 : 1 };
  const stacked = which.every((w) => w === 0) && left.begins.every((begin, t) => begin === t * rows * inner);
  if (stacked && !left.transposed) {
    // One matrix for all rows of all products.
    const count = rows * which.length;
    return productsPart({
      ...common,
      uses: [{ matrix: 0, from: 0 }],
      count,
      arguments: "rows",
      results: "rows",
    });
  }
  const uses = which.map((matrix, t) => ({ matrix, from: left.begins[t] }));
  return productsPart({
    ...common,
    uses,
    count: rows,
    arguments: left.transposed ? "columns" : "rows",
    results: "rows",
  });
}

/** The product with a constant on the left: it acts on the columns of B. */
function constantLeft(layout: MatrixLayout, data: Float64Array): LinearPart {
  const { rows, inner, cols, factor, right } = layout;
  const { matrices, which } = actingMatrices(data, layout.left, [rows, inner], "as it acts", factor);
  return productsPart({
    matrices,
    rows,
    cols: inner,
    uses: which.map((matrix, t) => ({ matrix, from: right.begins[t] })),
    count: cols,
    arguments: right.transposed ? "rows" : "columns",
    results: "columns",
    size: right.size,
    roundings: factor === 1 ? 0 : 1,
  });
}

/** The product as a matrix acting on the operand that is a signal. */
export function constantProduct(layout: MatrixLayout, constant: 0 | 1, data: Float64Array): LinearPart {
  return constant === 0 ? constantLeft(layout, data) : constantRight(layout, data);
}

/** The product of two signals. */
export function signalProduct(layout: MatrixLayout): GeneralOperation {
  return bilinear(layout);
}
