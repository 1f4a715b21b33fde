/**
 * The matrices and kernels whose singular values `norms.json` records, rebuilt from a recipe so that no bytes need
 * storing. Twin of `make_oracles.py`: both sides use 32-bit integer arithmetic and powers of two only, so every
 * entry is the same float64 on both, and exact in each storage type the recipe's case lists.
 */

/** Names of the entry patterns; `make_oracles.py` documents what each is for. */
export type Pattern =
  | "uniform"
  | "positive"
  | "rank-one"
  | "repeated"
  | "graded"
  | "clustered"
  | "hadamard"
  | "triangle"
  | "single"
  | "nyquist"
  | "zero";

export interface Recipe {
  readonly pattern: Pattern;
  readonly seed: number;
  readonly rows: number;
  readonly cols: number;
  /** Every entry is multiplied by 2^exponent (exact). */
  readonly exponent: number;
}

/** Row-major entries of the recipe's matrix (for a kernel: rows = c_out, cols = c_in/groups · taps). */
export function entries(recipe: Recipe): Float64Array {
  const { rows, cols, exponent } = recipe;
  const at = entryOf(recipe);
  const scale = 2 ** exponent;
  const out = new Float64Array(rows * cols);
  // Adding 0 turns −0 into 0, which Python's integers do not have.
  for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) out[i * cols + j] = at(i, j) * scale + 0;
  return out;
}

function entryOf({ pattern, seed, rows, cols }: Recipe): (i: number, j: number) => number {
  switch (pattern) {
    case "uniform": {
      const draw = integers(seed, rows * cols, 127);
      return (i, j) => draw[i * cols + j];
    }
    case "positive": {
      const draw = integers(seed, rows * cols, 127);
      return (i, j) => Math.abs(draw[i * cols + j]);
    }
    case "nyquist": {
      const draw = integers(seed, rows * cols, 127);
      return (i, j) => (j % 2 === 0 ? 1 : -1) * Math.abs(draw[i * cols + j]);
    }
    case "rank-one": {
      const left = integers(seed, rows, 15);
      const right = integers(seed + 1, cols, 15);
      return (i, j) => left[i] * right[j];
    }
    case "repeated": {
      const halfRows = rows / 2;
      const halfCols = cols / 2;
      const draw = integers(seed, halfRows * halfCols, 127);
      return (i, j) => (i < halfRows === j < halfCols ? draw[(i % halfRows) * halfCols + (j % halfCols)] : 0);
    }
    case "graded": {
      const draw = integers(seed, rows * cols, 127);
      return (i, j) => draw[i * cols + j] * 2 ** -(Math.min(i, 10) + Math.min(j, 10));
    }
    case "clustered": {
      const draw = integers(seed, rows * cols, 127);
      return (i, j) => (i % cols === (j * 3 + 1) % cols ? 1 : 0) + draw[i * cols + j] * 2 ** -20;
    }
    case "hadamard":
      return (i, j) => (bitCount(i & j) % 2 === 0 ? 1 : -1);
    case "triangle":
      return (i, j) => (i >= j ? 1 : 0);
    case "single":
      return (i, j) => (i === rows >> 1 && j === cols >> 1 ? -93 : 0);
    case "zero":
      return () => 0;
  }
}

/** `count` integers in [−limit, limit] from xorshift32 (Marsaglia 2003), seeded by Knuth's multiplicative hash. */
export function integers(seed: number, count: number, limit: number): Int32Array {
  let state = Math.imul(seed, 0x9e3779b1) >>> 0 || 1;
  const out = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    out[i] = ((state >>> 0) % (2 * limit + 1)) - limit;
  }
  return out;
}

function bitCount(x: number): number {
  let bits = 0;
  for (let rest = x; rest > 0; rest >>>= 1) bits += rest & 1;
  return bits;
}
