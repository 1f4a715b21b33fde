import { kernels } from "../kernels/index.ts";
import type { RowBlock } from "../kernels/types.ts";
import { checkInteger, checkLength } from "./errors.ts";
import type { LinearOperator } from "./operator.ts";

/** A matrix as an operator. */
export interface DenseOperator extends LinearOperator {
  readonly kind: "dense";
  /** Row-major, rows × cols: the array given, not a copy. */
  readonly entries: Float32Array | Float64Array;
  /** w = AᵀA v with one pass over the matrix; both of length `cols`. */
  gram(v: Float64Array, w: Float64Array): void;
  /** The matrix in the kernels' memory, copied there when first needed. */
  block(): RowBlock;
}

/**
 * A matrix as an operator.
 * @param entries row-major, rows × cols, kept in its own precision and by reference: do not change it while the
 *   operator is in use.
 * @throws OperatorError when the shape is not the data's.
 */
export function dense(entries: Float32Array | Float64Array, rows: number, cols: number): DenseOperator {
  checkInteger("rows", rows, 1);
  checkInteger("columns", cols, 1);
  checkLength("dense matrix", entries.length, rows * cols);
  let held: RowBlock | undefined;
  const block = () => {
    if (held === undefined) {
      held = kernels().rowBlock(entries instanceof Float32Array ? "float32" : "float64", rows, cols);
      held.load(new Uint8Array(entries.buffer, entries.byteOffset, entries.byteLength), 0);
    }
    return held;
  };
  return {
    kind: "dense",
    entries,
    rows,
    cols,
    block,
    apply(x) {
      checkLength("dense operator's argument", x.length, cols);
      const y = new Float64Array(rows);
      block().apply(x, y);
      return y;
    },
    adjoint(y) {
      checkLength("dense operator's adjoint argument", y.length, rows);
      const x = new Float64Array(cols);
      block().adjoint(y, x);
      return x;
    },
    gram: (v, w) => block().gram(v, w),
  };
}

/**
 * An embedding table as the linear map from one-hot (or mixed) token weights to vectors: the adjoint of the table
 * has the same norm, so the table itself is the matrix.
 * @param table row-major, tokens × width; by reference.
 * @throws OperatorError when the shape is not the table's.
 */
export function embedding(table: Float32Array | Float64Array, tokens: number, width: number): DenseOperator {
  return dense(table, tokens, width);
}
