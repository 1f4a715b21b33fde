import { kernels } from "../../kernels/index.ts";
import type { RowBlock } from "../../kernels/types.ts";
import type { Bound } from "../../linalg/bound.ts";
import { dense } from "../../linalg/dense.ts";
import { matrixFrobeniusUp } from "../../linalg/frobenius.ts";
import type { LinearOperator } from "../../linalg/operator.ts";
import {
  addUp,
  down,
  gamma,
  mulUp,
  scaleToUnit,
  sqrtDown,
  sqrtUp,
  sumOfSquaresDown,
  sumOfSquaresUp,
  up,
} from "../../linalg/rounding.ts";
import { spectralNorm } from "../../linalg/spectral-norm.ts";
import { rootUp } from "../constants/rule.ts";
import type { LinearPart } from "./operation.ts";

/**
 * Entries moved: y_i = x[sources[i]], or 0 where sources[i] is −1. Reshapes, transposes, slices, padding, copies.
 */
export function movedPart(sources: Int32Array, cols: number): LinearPart {
  return {
    rows: sources.length,
    cols,
    roundings: 0,
    apply(x) {
      const y = new Float64Array(sources.length);
      for (let i = 0; i < sources.length; i++) {
        const s = sources[i];
        if (s >= 0) y[i] = x[s];
      }
      return y;
    },
    adjoint(y) {
      const x = new Float64Array(cols);
      for (let i = 0; i < sources.length; i++) {
        const s = sources[i];
        if (s >= 0) x[s] += y[i];
      }
      return x;
    },
    rowNorms: () => Float64Array.from(sources, (s) => (s < 0 ? 0 : 1)),
    norm: () => columnNorm(sources, new Float64Array(sources.length).fill(1), cols, 0),
    exactEntries: true,
  };
}

/** σ₁ of a matrix with at most one entry in each row: AᵀA is diagonal, so it is the largest norm of a column. */
function columnNorm(sources: Int32Array, coefficients: Float64Array, cols: number, roundings: number): Bound {
  const squares = new Float64Array(cols);
  const counts = new Int32Array(cols);
  const largest = coefficients.reduce((m, c) => Math.max(m, Math.abs(c)), 0);
  if (largest === 0) return { lower: 0, upper: 0, guarantee: "proof", method: "closed-form" };
  const scale = scaleToUnit(largest);
  for (let i = 0; i < sources.length; i++) {
    const s = sources[i];
    if (s < 0) continue;
    squares[s] += (coefficients[i] * scale) ** 2;
    counts[s]++;
  }
  let lower = 0;
  let upper = 0;
  for (let j = 0; j < cols; j++) {
    const count = counts[j] + 2 * roundings;
    const exact = Number.isInteger(squares[j]) && squares[j] < 2 ** 52 && roundings === 0 && scale === 1;
    const square = exact ? squares[j] : sumOfSquaresUp(squares[j], count);
    upper = Math.max(upper, exact ? rootUp(square) : up(sqrtUp(square)));
    lower = Math.max(lower, down(sqrtDown(sumOfSquaresDown(squares[j], count))));
  }
  return {
    lower: down(lower / scale),
    upper: scale === 1 ? upper : up(upper / scale),
    guarantee: "proof",
    method: "closed-form",
  };
}

/** The identity on n entries; shares its argument, so results must not be written to. */
export function identityPart(n: number): LinearPart {
  let ones: Float64Array | undefined;
  return {
    get diagonal() {
      ones ??= new Float64Array(n).fill(1);
      return { factors: ones, roundings: 0 };
    },
    rows: n,
    cols: n,
    roundings: 0,
    apply: (x) => x,
    adjoint: (y) => y,
    rowNorms: () => new Float64Array(n).fill(1),
    norm: () => ({ lower: 1, upper: 1, guarantee: "proof", method: "closed-form" }),
    exactEntries: true,
  };
}

/**
 * Entries moved and multiplied: y_i = coefficients[i]·x[sources[i]], 0 where sources[i] is −1.
 * @param roundings of each coefficient: 0 for stored numbers, more where they were computed.
 */
export function scaledPart(
  sources: Int32Array,
  coefficients: Float64Array,
  cols: number,
  roundings: number,
): LinearPart {
  const moved = (factors: Float64Array): LinearOperator => ({
    rows: sources.length,
    cols,
    apply(x) {
      const y = new Float64Array(sources.length);
      for (let i = 0; i < sources.length; i++) {
        const s = sources[i];
        if (s >= 0) y[i] = factors[i] * x[s];
      }
      return y;
    },
    adjoint(y) {
      const x = new Float64Array(cols);
      for (let i = 0; i < sources.length; i++) {
        const s = sources[i];
        if (s >= 0) x[s] += factors[i] * y[i];
      }
      return x;
    },
  });
  return {
    ...moved(coefficients),
    magnitude: moved(coefficients.map(Math.abs)),
    // One product; the adjoint of copies adds up, which callers count by the larger side.
    roundings: roundings + 1,
    rowNorms: () =>
      Float64Array.from(sources, (s, i) =>
        s < 0 ? 0 : up(Math.abs(coefficients[i]) * (1 + (roundings + 1) * 2 ** -52)),
      ),
    norm: () => columnNorm(sources, coefficients, cols, roundings),
    ...(sources.length === cols && sources.every((s, i) => s === i)
      ? { diagonal: { factors: coefficients, roundings } }
      : {}),
    ...(roundings === 0 ? { exactEntries: true as const } : {}),
  };
}

/** Rows of a sparse matrix: row r has the entries starts[r] … starts[r + 1]. */
export interface SparseEntries {
  readonly starts: Int32Array;
  readonly columns: Int32Array;
  readonly values: Float64Array;
}

function sparseOperator(
  { starts, columns }: SparseEntries,
  values: Float64Array,
  cols: number,
): LinearOperator {
  const rows = starts.length - 1;
  return {
    rows,
    cols,
    apply(x) {
      const y = new Float64Array(rows);
      for (let r = 0; r < rows; r++) {
        let sum = 0;
        for (let e = starts[r]; e < starts[r + 1]; e++) sum += values[e] * x[columns[e]];
        y[r] = sum;
      }
      return y;
    },
    adjoint(y) {
      const x = new Float64Array(cols);
      for (let r = 0; r < rows; r++) {
        const factor = y[r];
        if (factor === 0) continue;
        for (let e = starts[r]; e < starts[r + 1]; e++) x[columns[e]] += values[e] * factor;
      }
      return x;
    },
  };
}

/**
 * A sparse matrix: averages, interpolation, sums over axes, padding that copies.
 * @param roundings of each value: 0 for exact numbers, 1 for one division, …
 */
export function sparsePart(entries: SparseEntries, cols: number, roundings: number): LinearPart {
  const { starts, values } = entries;
  const rows = starts.length - 1;
  let longest = 0;
  for (let r = 0; r < rows; r++) longest = Math.max(longest, starts[r + 1] - starts[r]);
  const negative = values.some((v) => v < 0);
  return {
    ...sparseOperator(entries, values, cols),
    ...(negative ? { magnitude: sparseOperator(entries, values.map(Math.abs), cols) } : {}),
    roundings: longest + roundings,
    rowNorms: () =>
      Float64Array.from({ length: rows }, (_, r) => {
        let sum = 0;
        for (let e = starts[r]; e < starts[r + 1]; e++) sum += values[e] * values[e];
        return up(sqrtUp(sumOfSquaresUp(sum, longest + 2 * roundings)));
      }),
    norm: () => sparseNorm(entries, cols, roundings),
    ...(roundings === 0 ? { exactEntries: true as const } : {}),
  };
}

/** σ₁ ≤ √(largest row sum × largest column sum) of |A|; the largest norm of a row is below it. */
function sparseNorm({ starts, columns, values }: SparseEntries, cols: number, roundings: number): Bound {
  const sums = new Float64Array(cols);
  let widest = 0;
  let lower = 0;
  const grow = 1 + (2 * roundings + 2) * 2 ** -52;
  for (let r = 0; r + 1 < starts.length; r++) {
    let sum = 0;
    let square = 0;
    for (let e = starts[r]; e < starts[r + 1]; e++) {
      const a = up(Math.abs(values[e]) * grow);
      sum = addUp(sum, a);
      sums[columns[e]] = addUp(sums[columns[e]], a);
      square += values[e] * values[e];
    }
    widest = Math.max(widest, sum);
    lower = Math.max(lower, sqrtDown(sumOfSquaresDown(square, starts[r + 1] - starts[r] + 2 * roundings)));
  }
  const tallest = sums.reduce((a, b) => Math.max(a, b), 0);
  return {
    lower: down(lower),
    upper: sqrtUp(mulUp(widest, tallest)),
    guarantee: "proof",
    method: "row-column-sums",
  };
}

/** The same numbers as float32 where that loses none: half the memory and half the time of a pass. */
export function compact(values: Float64Array): Float64Array | Float32Array {
  return values.every((v) => Math.fround(v) === v) ? Float32Array.from(values) : values;
}

/** A matrix in the kernels' memory, as float32 where that loses nothing. */
export function heldBlock(entries: Float64Array, rows: number, cols: number): RowBlock {
  const stored = compact(entries);
  const block = kernels().rowBlock(stored instanceof Float32Array ? "float32" : "float64", rows, cols);
  block.load(new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength), 0);
  return block;
}

function heldOperator(entries: Float64Array, rows: number, cols: number): LinearOperator {
  const block = heldBlock(entries, rows, cols);
  return {
    rows,
    cols,
    apply(x) {
      const y = new Float64Array(rows);
      block.apply(x, y);
      return y;
    },
    adjoint(y) {
      const x = new Float64Array(cols);
      block.adjoint(y, x);
      return x;
    },
  };
}

/** The bound of the true matrix from that of the computed one: entries are off by `roundings` roundings each. */
export function widened(bound: Bound, entries: Float64Array, roundings: number): Bound {
  if (roundings === 0) return bound;
  // Computed entries may have underflowed.
  const size = addUp(matrixFrobeniusUp(entries), entries.length * 2 ** -900);
  const off = mulUp(2 * gamma(roundings), size);
  return {
    ...bound,
    lower: Math.max(0, down(bound.lower - off)),
    upper: bound.upper === null ? null : addUp(bound.upper, off),
  };
}

/** A part whose matrix is at hand, row-major: what bounds of runs of dense layers work on. */
export interface DensePart extends LinearPart {
  readonly entries: Float64Array;
}

/**
 * A matrix, row-major rows × cols.
 * @param roundings of each entry: 0 for stored numbers, more where they were computed.
 */
export function densePart(entries: Float64Array, rows: number, cols: number, roundings = 0): DensePart {
  let magnitude: LinearOperator | undefined;
  return {
    ...heldOperator(entries, rows, cols),
    entries,
    // Held twice only once an interval is asked for.
    get magnitude() {
      magnitude ??= heldOperator(entries.map(Math.abs), rows, cols);
      return magnitude;
    },
    roundings: Math.max(rows, cols) + roundings,
    norm: (options) => widened(spectralNorm(dense(entries, rows, cols), options), entries, roundings),
    ...(roundings === 0 ? { exactEntries: true as const } : {}),
    rowNorms: () => matrixRowNorms(entries, rows, cols, roundings),
  };
}

/** ℓ2 norms of a row-major matrix's rows, whose entries went through so many roundings, rounded up. */
export function matrixRowNorms(
  entries: Float64Array,
  rows: number,
  cols: number,
  roundings: number,
): Float64Array {
  const grown = roundings === 0 ? 1 : addUp(1, 2 * gamma(roundings));
  return Float64Array.from({ length: rows }, (_, r) =>
    mulUp(matrixFrobeniusUp(entries.subarray(r * cols, (r + 1) * cols)), grown),
  );
}
