import { dense } from "../../linalg/dense.ts";
import { matrixFrobeniusUp } from "../../linalg/frobenius.ts";
import { addUp, mulUp, sqrtUp } from "../../linalg/rounding.ts";
import { spectralNorm } from "../../linalg/spectral-norm.ts";
import { centred } from "../enclose.ts";
import type { Box } from "./operation.ts";

/** Multiplications that the proof of one norm may take; larger matrices get the bound by row and column sums. */
const MAX_PROOF = 1 << 28;

/** The largest |x| of each interval. */
export function largest({ lo, hi }: Box): Float64Array {
  return lo.map((l, i) => Math.max(Math.abs(l), Math.abs(hi[i])));
}

/** min(‖A‖_F, √(‖A‖₁‖A‖_∞)) ≥ σ₁(A) of a matrix of nonnegative entries. */
function normFromSums(entries: Float64Array, rows: number, cols: number): number {
  const columns = new Float64Array(cols);
  let widest = 0;
  for (let r = 0; r < rows; r++) {
    let sum = 0;
    for (let c = 0; c < cols; c++) {
      const a = entries[r * cols + c];
      sum = addUp(sum, a);
      columns[c] = addUp(columns[c], a);
    }
    widest = Math.max(widest, sum);
  }
  const tallest = columns.reduce((a, b) => Math.max(a, b), 0);
  const frobenius = matrixFrobeniusUp(entries);
  const bound = sqrtUp(mulUp(widest, tallest));
  return Math.min(frobenius, bound);
}

/** σ₁ of a matrix of stored numbers, proved. */
export function provedNorm(entries: Float64Array, rows: number, cols: number): number {
  if (entries.every((a) => a === 0)) return 0;
  const bound = spectralNorm(dense(entries, rows, cols), { guarantee: "proof", seed: 1 }).upper;
  return bound ?? Number.POSITIVE_INFINITY;
}

/**
 * An upper bound of σ₁(A) over all rows × cols matrices A in the box: the norm of the middle plus that of the radii
 * (or the norm of the largest absolute values, if that is less). ∞ where the box is unbounded.
 */
export function normOverBox(box: Box, rows: number, cols: number): number {
  const magnitudes = largest(box);
  if (!magnitudes.every(Number.isFinite)) return Number.POSITIVE_INFINITY;
  const plain = normFromSums(magnitudes, rows, cols);
  const short = Math.min(rows, cols);
  if (short === 1 || short * short * Math.max(rows, cols) > MAX_PROOF) return plain;
  const { centre, radius } = centred(box);
  return Math.min(plain, addUp(provedNorm(centre, rows, cols), normFromSums(radius, rows, cols)));
}
