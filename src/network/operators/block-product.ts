import { kernels } from "../../kernels/index.ts";

/** Products with fewer multiplications are not worth a call into the kernels. */
const SMALL = 1 << 9;

/** Products of m × k and k × n matrices, both row-major. */
export interface Multiplier {
  /** A B, in a new array unless one is given. */
  multiply(a: Float64Array, b: Float64Array, out?: Float64Array): Float64Array;
  /** Leaves the kernels' memory to others. */
  release(): void;
}

export function multiplier(m: number, k: number, n: number): Multiplier {
  if (m * k * n < SMALL) return { multiply: (a, b, out) => plain(m, k, n, a, b, out), release: () => {} };
  const block = kernels().rowBlock("float64", m, k);
  return {
    multiply(a, b, out = new Float64Array(m * n)) {
      block.load(new Uint8Array(a.buffer, a.byteOffset, a.byteLength), 0);
      block.applyBlock(b, n, out);
      return out;
    },
    release: () => block.release(),
  };
}

function plain(
  m: number,
  k: number,
  n: number,
  a: Float64Array,
  b: Float64Array,
  given?: Float64Array,
): Float64Array {
  const out = given?.fill(0) ?? new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let p = 0; p < k; p++) {
      const f = a[i * k + p];
      for (let j = 0; j < n; j++) out[i * n + j] += f * b[p * n + j];
    }
  }
  return out;
}
