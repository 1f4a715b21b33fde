import { kernels } from "../kernels/index.ts";
import type { BoundOptions } from "./analyze-options.ts";
import type { Bound } from "./bound.ts";
import { type DenseOperator, dense } from "./dense.ts";
import { NonFiniteError } from "./errors.ts";
import { transposed } from "./gram-slabs.ts";
import { matrixBounds, safeScale } from "./matrix-bounds.ts";
import type { LinearOperator } from "./operator.ts";
import { type Answers, runIteration } from "./requests.ts";

/** Bounds of a matrix, on the calling thread. @throws NonFiniteError when an entry is not finite. */
export function denseBound(matrix: DenseOperator, options: BoundOptions): Bound {
  const { rows, cols } = matrix;
  let scan = matrix.block().scan(1);
  const scale = matrix.entries instanceof Float64Array ? safeScale(scan.maxAbs) : 1;
  const scaled =
    scale === 1
      ? matrix
      : dense(
          matrix.entries.map((a) => a * scale),
          rows,
          cols,
        );
  if (scale !== 1) scan = scaled.block().scan(1);
  const answers: Answers = {
    ...productAnswers(scaled),
    gramMatrix: (request) => gramOf(scaled, request.scale),
  };
  const facts = { rows, cols, scan, scale, gramTerms: Math.max(rows, cols) + 1 };
  const { sigma } = runIteration(matrixBounds(facts, options), answers);
  if (sigma === null) throw new NonFiniteError("the matrix");
  return sigma;
}

/** Over the shorter side. */
function gramOf({ entries, rows, cols, block }: DenseOperator, scale: number): Float64Array {
  if (rows <= cols) return kernels().gramMatrix(block(), scale);
  const bytes = new Uint8Array(entries.buffer, entries.byteOffset, entries.byteLength);
  const flipped = kernels().rowBlock(entries instanceof Float32Array ? "float32" : "float64", cols, rows);
  flipped.load(transposed(bytes, rows, cols, entries.BYTES_PER_ELEMENT), 0);
  const gram = kernels().gramMatrix(flipped, scale);
  flipped.release();
  return gram;
}

/** Products with an operator that can, where it knows how, do AᵀA in one pass. */
export function productAnswers(
  operator: LinearOperator & { gram?: (v: Float64Array, w: Float64Array) => void },
): Answers {
  return {
    apply: ({ vector }) => operator.apply(vector),
    gram({ vector }) {
      if (operator.gram === undefined) return operator.adjoint(operator.apply(vector));
      const product = new Float64Array(operator.cols);
      operator.gram(vector, product);
      return product;
    },
  };
}
