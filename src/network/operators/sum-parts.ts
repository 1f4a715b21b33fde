import type { Bound } from "../../linalg/bound.ts";
import { dense } from "../../linalg/dense.ts";
import { matrixFrobeniusUp } from "../../linalg/frobenius.ts";
import type { LinearOperator } from "../../linalg/operator.ts";
import {
  addUp,
  divUp,
  down,
  gamma,
  mulUp,
  sqrtDown,
  sqrtUp,
  sumOfSquaresDown,
  sumOfSquaresUp,
  up,
} from "../../linalg/rounding.ts";
import { spectralNorm } from "../../linalg/spectral-norm.ts";
import { rootUp } from "../constants/rule.ts";
import { most, occurrences } from "./index-maps.ts";
import type { LinearPart } from "./operation.ts";
import { identityPart, type SparseEntries } from "./parts.ts";

/** A matrix that acts along one axis: averages and sums of its entries, interpolation between them. */
export interface AxisMatrix {
  /** One row per position of the result. */
  readonly entries: SparseEntries;
  /** Size of the axis it acts on. */
  readonly cols: number;
  /** Roundings of each value: 0 for exact numbers, 1 for one division, … */
  readonly roundings: number;
}

/** An axis matrix from its rows, each a list of positions and their values. */
export function axisMatrix(
  rows: readonly (readonly (readonly [position: number, value: number])[])[],
  cols: number,
  roundings: number,
): AxisMatrix {
  const starts = new Int32Array(rows.length + 1);
  rows.forEach((row, r) => {
    starts[r + 1] = starts[r] + row.length;
  });
  const all = rows.flat();
  return {
    entries: {
      starts,
      columns: Int32Array.from(all, ([position]) => position),
      values: Float64Array.from(all, ([, value]) => value),
    },
    cols,
    roundings,
  };
}

function rowsOf(matrix: AxisMatrix): number {
  return matrix.entries.starts.length - 1;
}

/** y = x with the matrix applied along an axis of `n` positions, `inner` entries apart. */
function alongAxis(
  x: Float64Array,
  { starts, columns }: SparseEntries,
  values: Float64Array,
  n: number,
  inner: number,
): Float64Array {
  const rows = starts.length - 1;
  const outer = x.length / (n * inner);
  const y = new Float64Array(outer * rows * inner);
  for (let o = 0; o < outer; o++) {
    for (let r = 0; r < rows; r++) {
      const to = (o * rows + r) * inner;
      if (inner === 1) {
        let sum = 0;
        for (let e = starts[r]; e < starts[r + 1]; e++) sum += values[e] * x[o * n + columns[e]];
        y[to] = sum;
        continue;
      }
      for (let e = starts[r]; e < starts[r + 1]; e++) {
        const value = values[e];
        const from = (o * n + columns[e]) * inner;
        for (let i = 0; i < inner; i++) y[to + i] += value * x[from + i];
      }
    }
  }
  return y;
}

/** The adjoint of `alongAxis`. */
function backAlongAxis(
  y: Float64Array,
  { starts, columns }: SparseEntries,
  values: Float64Array,
  n: number,
  inner: number,
): Float64Array {
  const rows = starts.length - 1;
  const outer = y.length / (rows * inner);
  const x = new Float64Array(outer * n * inner);
  for (let o = 0; o < outer; o++) {
    for (let r = 0; r < rows; r++) {
      const from = (o * rows + r) * inner;
      for (let e = starts[r]; e < starts[r + 1]; e++) {
        const value = values[e];
        const to = (o * n + columns[e]) * inner;
        for (let i = 0; i < inner; i++) x[to + i] += value * y[from + i];
      }
    }
  }
  return x;
}

interface Pass {
  readonly matrix: AxisMatrix;
  readonly inner: number;
}

function passesOperator(
  passes: readonly Pass[],
  rows: number,
  cols: number,
  valuesOf: (matrix: AxisMatrix) => Float64Array,
): LinearOperator {
  const values = passes.map(({ matrix }) => valuesOf(matrix));
  return {
    rows,
    cols,
    apply: (x) =>
      passes.reduce(
        (z, { matrix, inner }, k) => alongAxis(z, matrix.entries, values[k], matrix.cols, inner),
        x,
      ),
    adjoint: (y) =>
      passes.reduceRight(
        (z, { matrix, inner }, k) => backAlongAxis(z, matrix.entries, values[k], matrix.cols, inner),
        y,
      ),
  };
}

/** ℓ2 norms of the rows, rounded up. */
function axisRowNorms({ entries: { starts, values }, roundings }: AxisMatrix): Float64Array {
  return Float64Array.from({ length: starts.length - 1 }, (_, r) => {
    let sum = 0;
    for (let e = starts[r]; e < starts[r + 1]; e++) sum += values[e] * values[e];
    return sqrtUp(sumOfSquaresUp(sum, starts[r + 1] - starts[r] + 2 * roundings));
  });
}

/** √(largest row sum × largest column sum) of absolute values, rounded up: at least the matrix's norm (Schur). */
export function schurNorm({ entries: { starts, columns, values }, cols, roundings }: AxisMatrix): number {
  const byColumn = new Float64Array(cols);
  let row = 0;
  let longest = 0;
  for (let r = 0; r + 1 < starts.length; r++) {
    let sum = 0;
    for (let e = starts[r]; e < starts[r + 1]; e++) {
      sum += Math.abs(values[e]);
      byColumn[columns[e]] += Math.abs(values[e]);
    }
    row = Math.max(row, sum);
    longest = Math.max(longest, starts[r + 1] - starts[r]);
  }
  const column = byColumn.reduce((a, b) => Math.max(a, b), 0);
  // Sums of n numbers of k roundings each are off by at most n + k roundings.
  const widen = (sum: number, n: number) => (sum === 0 ? 0 : up(sum * (1 + (n + roundings + 2) * 2 ** -52)));
  const exact = roundings === 0 && Number.isInteger(row) && Number.isInteger(column);
  return exact ? rootUp(row * column) : sqrtUp(mulUp(widen(row, longest), widen(column, starts.length)));
}

/** Entries of a matrix whose norm is verified, half a second's work; larger ones keep the bound by sums. */
const MAX_VERIFIED = 1 << 17;

/**
 * σ₁, rounded up: by row and column sums where these are tight (as they are for averages and linear interpolation by
 * whole factors), else verified, which negative entries and uneven columns gain from.
 */
export function axisNorm(matrix: AxisMatrix): number {
  const { entries, cols, roundings } = matrix;
  const { starts, columns, values } = entries;
  const rows = rowsOf(matrix);
  const sums = schurNorm(matrix);
  const ones = alongAxis(new Float64Array(cols).fill(1), entries, values, cols, 1);
  const reached = Math.sqrt(ones.reduce((total, y) => total + y * y, 0) / cols);
  if (sums <= reached * (1 + 1e-9) || rows * cols > MAX_VERIFIED) return sums;
  const full = new Float64Array(rows * cols);
  for (let r = 0; r < rows; r++) {
    for (let e = starts[r]; e < starts[r + 1]; e++) full[r * cols + columns[e]] = values[e];
  }
  const { upper } = spectralNorm(dense(full, rows, cols), { guarantee: "proof", seed: 1 });
  if (upper === null) return sums;
  const off = roundings === 0 ? 0 : mulUp(2 * gamma(roundings), matrixFrobeniusUp(values));
  return Math.min(sums, off === 0 ? upper : addUp(upper, off));
}

/**
 * Matrices that act along axes of a tensor of `shape`, one after the other: their Kronecker product, identities along
 * the axes without one. Never held as a whole.
 */
export function axesPart(shape: readonly number[], matrices: ReadonlyMap<number, AxisMatrix>): LinearPart {
  const dims = [...shape];
  const cols = dims.reduce((a, b) => a * b, 1);
  // Those that shrink most go first and leave the others less to do.
  const order = [...matrices].sort(([, a], [, b]) => rowsOf(a) * b.cols - rowsOf(b) * a.cols);
  const passes = order.map(([axis, matrix]) => {
    dims[axis] = rowsOf(matrix);
    return { matrix, inner: dims.slice(axis + 1).reduce((a, b) => a * b, 1) };
  });
  if (passes.length === 0) return identityPart(cols);
  const rows = dims.reduce((a, b) => a * b, 1);
  const negative = passes.some(({ matrix }) => matrix.entries.values.some((v) => v < 0));
  const magnitude = passesOperator(passes, rows, cols, ({ entries }) => entries.values.map(Math.abs));
  const single = passes.length === 1 && passes[0].matrix.roundings === 0;
  return {
    ...passesOperator(passes, rows, cols, ({ entries }) => entries.values),
    ...(negative ? { magnitude } : {}),
    ...(single ? { exactEntries: true as const } : {}),
    // |A| of a Kronecker product is that of the absolute values, so errors relative to it add up over the passes.
    roundings: passes.reduce((sum, { matrix }) => sum + longestRow(matrix) + matrix.roundings, 0),
    rowNorms: () =>
      dims.reduce<Float64Array>((norms, size, axis) => {
        const matrix = matrices.get(axis);
        return outer(norms, matrix ? axisRowNorms(matrix) : new Float64Array(size).fill(1));
      }, Float64Array.of(1)),
    // σ₁ of a Kronecker product is the product of theirs.
    norm: () => ({
      lower: passes.reduce((p, { matrix }) => down(p * largestRow(matrix)), 1),
      upper: passes.reduce((p, { matrix }) => (p === 1 ? axisNorm(matrix) : mulUp(p, axisNorm(matrix))), 1),
      guarantee: "proof",
      method: "axis by axis",
    }),
  };
}

/** The largest ℓ2 norm of a row, rounded down: at most the matrix's norm. */
function largestRow({ entries: { starts, values }, roundings }: AxisMatrix): number {
  let largest = 0;
  for (let r = 0; r + 1 < starts.length; r++) {
    let sum = 0;
    for (let e = starts[r]; e < starts[r + 1]; e++) sum += values[e] * values[e];
    largest = Math.max(largest, sumOfSquaresDown(sum, starts[r + 1] - starts[r] + 2 * roundings));
  }
  return sqrtDown(largest);
}

function longestRow({ entries: { starts } }: AxisMatrix): number {
  let longest = 0;
  for (let r = 0; r + 1 < starts.length; r++) longest = Math.max(longest, starts[r + 1] - starts[r]);
  return longest;
}

function outer(a: Float64Array, b: Float64Array): Float64Array {
  const products = new Float64Array(a.length * b.length);
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j < b.length; j++) {
      products[i * b.length + j] = a[i] === 1 ? b[j] : b[j] === 1 ? a[i] : mulUp(a[i], b[j]);
    }
  }
  return products;
}

/** Matrices that add up all entries along these axes and multiply the sums by a factor: sums, averages. */
export function summingMatrices(
  shape: readonly number[],
  axes: readonly number[],
  factor: number,
): ReadonlyMap<number, AxisMatrix> {
  return new Map(
    axes.map((axis, k) => {
      const value = k === 0 ? factor : 1;
      const row = Array.from({ length: shape[axis] }, (_, i) => [i, value] as const);
      return [axis, axisMatrix([row], shape[axis], Number.isInteger(value) ? 0 : 1)] as const;
    }),
  );
}

/** Entries added up: entry i of the signal goes to targets[i] of `rows` sums, or nowhere where that is −1. */
export function summedPart(targets: Int32Array, rows: number): LinearPart {
  const counts = occurrences(targets, rows);
  return {
    rows,
    cols: targets.length,
    apply(x) {
      const y = new Float64Array(rows);
      for (let i = 0; i < targets.length; i++) {
        const t = targets[i];
        if (t >= 0) y[t] += x[i];
      }
      return y;
    },
    adjoint(y) {
      const x = new Float64Array(targets.length);
      for (let i = 0; i < targets.length; i++) {
        const t = targets[i];
        if (t >= 0) x[i] = y[t];
      }
      return x;
    },
    roundings: most(counts) - 1,
    rowNorms: () => Float64Array.from(counts, rootUp),
    // Rows do not overlap, so σ₁ is the largest norm of a row.
    norm: () => rowNorm(counts.reduce((a, b) => Math.max(a, b), 0)),
    exactEntries: true,
  };
}

function rowNorm(count: number): Bound {
  return { lower: sqrtDown(count), upper: rootUp(count), guarantee: "proof", method: "closed-form" };
}

/** How a running sum goes along an axis. */
export interface RunningSum {
  readonly outer: number;
  readonly size: number;
  readonly inner: number;
  /** A sum leaves out the entry at its own position. */
  readonly exclusive: boolean;
  readonly reverse: boolean;
}

function runningSum(x: Float64Array, { outer, size, inner, exclusive, reverse }: RunningSum): Float64Array {
  const y = new Float64Array(x.length);
  const step = reverse ? -inner : inner;
  for (let o = 0; o < outer; o++) {
    let at = (o * size + (reverse ? size - 1 : 0)) * inner;
    for (let k = 0; k < size; k++, at += step) {
      for (let i = at; i < at + inner; i++) {
        const before = k === 0 ? 0 : y[i - step];
        y[i] = before + (exclusive ? (k === 0 ? 0 : x[i - step]) : x[i]);
      }
    }
  }
  return y;
}

/** Sums of all entries up to each position of an axis. */
export function runningSumPart(sum: RunningSum): LinearPart {
  const { outer, size, inner, exclusive, reverse } = sum;
  const n = outer * size * inner;
  return {
    rows: n,
    cols: n,
    apply: (x) => runningSum(x, sum),
    adjoint: (y) => runningSum(y, { ...sum, reverse: !reverse }),
    roundings: size,
    rowNorms: () =>
      Float64Array.from({ length: n }, (_, i) => {
        const k = Math.floor(i / inner) % size;
        return rootUp((reverse ? size - 1 - k : k) + (exclusive ? 0 : 1));
      }),
    norm: () => {
      const longest = Math.max(size - (exclusive ? 1 : 0), 0);
      const upper = runningSumNorm(longest);
      return { lower: sqrtDown(longest), upper, guarantee: "proof", method: "closed-form" };
    },
    exactEntries: true,
  };
}

/**
 * σ₁ of the n × n triangle of ones, 1/(2 sin(π/(4n + 2))), rounded up: the eigenvalues of its inverse's Gram matrix,
 * a second difference with mixed ends, are 2 − 2 cos((2k − 1)π/(2n + 1)).
 */
export function runningSumNorm(n: number): number {
  if (n < 2) return n;
  // sin x ≥ x − x³/3! + … − x¹¹/11!; the factor covers its twenty roundings, none of which cancels (x ≤ π/10).
  const x = Math.PI / (4 * n + 2);
  const z = x * x;
  const sine = x * (1 - (z / 6) * (1 - (z / 20) * (1 - (z / 42) * (1 - (z / 72) * (1 - z / 110)))));
  return divUp(1, 2 * sine * (1 - 2 ** -48));
}
