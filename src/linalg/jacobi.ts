/** Sweeps converge quadratically; a preconditioned matrix takes fewer than ten. */
const MAX_SWEEPS = 60;

/**
 * One-sided Jacobi (Hestenes 1958): rotates pairs of columns until all are orthogonal, G·J = U·Σ. Column norms are
 * then the singular values, each accurate relative to its own column's size.
 * @param columns `count` columns of `length` numbers, one after another; overwritten with U·Σ.
 * @param rotations count × count by columns, multiplied by J from the right (the identity gives J).
 */
export function orthogonalizeColumns(
  columns: Float64Array,
  length: number,
  count: number,
  rotations?: Float64Array,
): void {
  const tolerance = Math.sqrt(length) * 2 ** -52;
  const squares = new Float64Array(count);
  for (let sweep = 0; sweep < MAX_SWEEPS; sweep++) {
    for (let p = 0; p < count; p++) squares[p] = dot(columns, p * length, p * length, length);
    let rotated = false;
    for (let p = 0; p < count - 1; p++) {
      largestFirst(columns, length, count, p, squares, rotations);
      for (let q = p + 1; q < count; q++) {
        const cross = dot(columns, p * length, q * length, length);
        const a = squares[p]!;
        const b = squares[q]!;
        if (!(Math.abs(cross) > tolerance * Math.sqrt(a) * Math.sqrt(b))) continue;
        rotated = true;
        const zeta = (b - a) / (2 * cross);
        const tangent = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.hypot(1, zeta));
        const cosine = 1 / Math.sqrt(1 + tangent * tangent);
        rotate(columns, p * length, q * length, length, cosine, cosine * tangent);
        if (rotations) rotate(rotations, p * count, q * count, count, cosine, cosine * tangent);
        squares[p] = updated(a, -tangent * cross, columns, p * length, length);
        squares[q] = updated(b, tangent * cross, columns, q * length, length);
      }
    }
    if (!rotated) return;
  }
}

/** de Rijk's pivoting (1989): the largest remaining column comes next, so that the values come out nearly sorted. */
function largestFirst(
  columns: Float64Array,
  length: number,
  count: number,
  p: number,
  squares: Float64Array,
  rotations: Float64Array | undefined,
): void {
  let largest = p;
  for (let q = p + 1; q < count; q++) if (squares[q]! > squares[largest]!) largest = q;
  if (largest === p) return;
  exchange(columns, p * length, largest * length, length);
  if (rotations) exchange(rotations, p * count, largest * count, count);
  [squares[p], squares[largest]] = [squares[largest]!, squares[p]!];
}

/** The column's new square sum: by the rotation's formula, or anew where that cancels. */
function updated(
  before: number,
  change: number,
  columns: Float64Array,
  start: number,
  length: number,
): number {
  const after = before + change;
  return after > 0.1 * before ? after : dot(columns, start, start, length);
}

function rotate(x: Float64Array, p: number, q: number, length: number, cosine: number, sine: number): void {
  for (let i = 0; i < length; i++) {
    const a = x[p + i]!;
    const b = x[q + i]!;
    x[p + i] = cosine * a - sine * b;
    x[q + i] = sine * a + cosine * b;
  }
}

function exchange(x: Float64Array, p: number, q: number, length: number): void {
  const kept = x.slice(p, p + length);
  x.copyWithin(p, q, q + length);
  x.set(kept, q);
}

function dot(x: Float64Array, p: number, q: number, length: number): number {
  let even = 0;
  let odd = 0;
  let i = 0;
  for (; i + 1 < length; i += 2) {
    even += x[p + i]! * x[q + i]!;
    odd += x[p + i + 1]! * x[q + i + 1]!;
  }
  if (i < length) even += x[p + i]! * x[q + i]!;
  return even + odd;
}
