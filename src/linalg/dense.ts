import { kernels } from "../kernels/index.ts";
import type { RowBlock } from "../kernels/types.ts";
import { checkInteger, checkLength } from "./errors.ts";
import type { LinearOperator } from "./operator.ts";

/** A matrix, held in the kernels' memory. */
export interface DenseOperator extends LinearOperator {
  readonly kind: "dense";
  readonly block: RowBlock;
  /** w = AᵀA v with one pass over the matrix; both of length `cols`. */
  gram(v: Float64Array, w: Float64Array): void;
}

/**
 * A matrix as an operator.
 * @param data row-major, rows × cols; copied, and kept in its own precision.
 * @throws OperatorError when the shape is not the data's.
 */
export function dense(data: Float32Array | Float64Array, rows: number, cols: number): DenseOperator {
  checkInteger("rows", rows, 1);
  checkInteger("columns", cols, 1);
  checkLength("dense matrix", data.length, rows * cols);
  const block = kernels().rowBlock(data instanceof Float32Array ? "float32" : "float64", rows, cols);
  block.load(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 0);
  return denseBlock(block);
}

/** The operator of a matrix already in the kernels' memory, whatever its storage type. */
export function denseBlock(block: RowBlock): DenseOperator {
  const { rows, cols } = block;
  return {
    kind: "dense",
    block,
    rows,
    cols,
    apply(x) {
      checkLength("dense operator's argument", x.length, cols);
      const y = new Float64Array(rows);
      block.apply(x, y);
      return y;
    },
    adjoint(y) {
      checkLength("dense operator's adjoint argument", y.length, rows);
      const x = new Float64Array(cols);
      block.adjoint(y, x);
      return x;
    },
    gram: (v, w) => block.gram(v, w),
  };
}

/**
 * An embedding table as an operator: tokens × width, one token's vector per row. Continuous input (weights over
 * tokens) goes through its transpose, which has the same norm.
 * @param table row-major; copied.
 * @throws OperatorError when the shape is not the table's.
 */
export function embedding(table: Float32Array | Float64Array, tokens: number, width: number): DenseOperator {
  return dense(table, tokens, width);
}
