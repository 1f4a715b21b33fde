/**
 * Columns this short beside a largest entry in [1, 2) are taken for zero: their squares would leave the range where
 * float64 is accurate, and reflectors built on them would not be orthogonal.
 */
export const NEGLIGIBLE_NORM = 2 ** -480;

/** A·P = Q·R by Householder reflections with column pivoting. */
export interface PivotedQr {
  /** m × n by columns (column j at j·m): R on and above the diagonal, below it the reflectors' tails. */
  readonly factors: Float64Array;
  /** Reflector k is I − taus[k]·w·wᵀ with wₖ = 1, zeros above and the stored tail below. */
  readonly taus: Float64Array;
  /** Column j of A·P is column pivots[j] of A. */
  readonly pivots: Int32Array;
  /** Rows of R that are not negligible. */
  readonly rank: number;
}

/**
 * Pivoted QR (Businger & Golub 1965), in place. The pivoting makes R's rows decrease, which is what speeds up Jacobi.
 * @param columns m × n by columns, m ≥ n, largest entry in [1, 2); overwritten with the factors.
 */
export function pivotedQr(columns: Float64Array, m: number, n: number): PivotedQr {
  const taus = new Float64Array(n);
  const pivots = Int32Array.from({ length: n }, (_, j) => j);
  const squares = Float64Array.from({ length: n }, (_, j) => squareOf(columns, j * m, (j + 1) * m));
  const exact = squares.slice();
  for (let k = 0; k < n; k++) {
    let pivot = k;
    for (let j = k + 1; j < n; j++) if (squares[j]! > squares[pivot]!) pivot = j;
    swapColumns(columns, m, k, pivot);
    for (const list of [pivots, squares, exact]) [list[k], list[pivot]] = [list[pivot]!, list[k]!];
    const at = k * m + k;
    const end = (k + 1) * m;
    if (!(squareOf(columns, at, end) > NEGLIGIBLE_NORM ** 2)) {
      for (let j = k; j < n; j++) columns.fill(0, j * m + k, (j + 1) * m);
      return { factors: columns, taus, pivots, rank: k };
    }
    const tau = makeReflector(columns, at, end);
    taus[k] = tau;
    for (let j = k + 1; j < n; j++) {
      reflect(columns, at, end - at, tau, columns, j * m + k);
      const entry = columns[j * m + k]!;
      squares[j] = squares[j]! - entry * entry;
      // Subtracting has cancelled too much of the norm: take it anew.
      if (squares[j]! > 1e-8 * exact[j]!) continue;
      squares[j] = squareOf(columns, j * m + k + 1, (j + 1) * m);
      exact[j] = squares[j]!;
    }
  }
  return { factors: columns, taus, pivots, rank: n };
}

/** x ← Q x for the vector of length m at `start` of `x`. */
export function applyQ(qr: PivotedQr, m: number, x: Float64Array, start: number): void {
  for (let k = qr.rank - 1; k >= 0; k--) {
    reflect(qr.factors, k * m + k, m - k, qr.taus[k]!, x, start + k);
  }
}

/** Turns the vector [at, end) into its reflector: β at its head, the tail below. Returns τ. */
function makeReflector(columns: Float64Array, at: number, end: number): number {
  const tail = squareOf(columns, at + 1, end);
  const head = columns[at]!;
  if (tail === 0) return 0;
  const norm = Math.sqrt(head * head + tail);
  const beta = head > 0 ? -norm : norm;
  const divisor = head - beta;
  for (let i = at + 1; i < end; i++) columns[i]! /= divisor;
  columns[at] = beta;
  return -divisor / beta;
}

/** target ← (I − τ w wᵀ) target; w has a one at `at` (where something else is stored) and its tail after it. */
function reflect(
  w: Float64Array,
  at: number,
  length: number,
  tau: number,
  target: Float64Array,
  start: number,
): void {
  if (tau === 0) return;
  let dot = target[start]!;
  for (let i = 1; i < length; i++) dot += w[at + i]! * target[start + i]!;
  dot *= tau;
  target[start]! -= dot;
  for (let i = 1; i < length; i++) target[start + i]! -= dot * w[at + i]!;
}

function swapColumns(columns: Float64Array, m: number, j: number, k: number): void {
  if (j === k) return;
  const kept = columns.slice(j * m, (j + 1) * m);
  columns.copyWithin(j * m, k * m, (k + 1) * m);
  columns.set(kept, k * m);
}

function squareOf(x: Float64Array, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) sum += x[i]! * x[i]!;
  return sum;
}
