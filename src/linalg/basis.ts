import { kernels } from "../kernels/index.ts";
import type { RowBlock } from "../kernels/types.ts";

/** Vectors in the first kernel block and in the largest: one fused pass removes a block's directions at once. */
const FIRST_BLOCK = 4;
const LARGEST_BLOCK = 16;

/** Shorter vectors are handled in plain loops; a kernel call would cost more than it saves. */
const KERNEL_LENGTH = 512;

/**
 * The orthonormal vectors a Krylov method has built, and full reorthogonalisation against them. Without it Lanczos
 * loses orthogonality as soon as a Ritz value converges, and the bounds with it.
 */
export class Basis {
  readonly #n: number;
  readonly #vectors: Float64Array[] = [];
  readonly #blocks: RowBlock[] = [];
  /** Rows used of the last block. */
  #filled = 0;
  readonly #projection: Float64Array;

  /** @param n length of the vectors. */
  constructor(n: number) {
    this.#n = n;
    this.#projection = new Float64Array(n);
  }

  /** Number of vectors held. */
  get size(): number {
    return this.#vectors.length;
  }

  /** Adds a unit vector, orthogonal to the others; the basis keeps the array. */
  push(v: Float64Array): void {
    this.#vectors.push(v);
    if (this.#n < KERNEL_LENGTH) return;
    const last = this.#blocks.at(-1);
    if (last === undefined || this.#filled === last.rows) {
      const rows = last === undefined ? FIRST_BLOCK : Math.min(2 * last.rows, LARGEST_BLOCK);
      this.#blocks.push(kernels().rowBlock("float64", rows, this.#n));
      this.#filled = 0;
    }
    const bytes = new Uint8Array(v.buffer, v.byteOffset, v.byteLength);
    this.#blocks.at(-1)!.load(bytes, this.#filled++ * this.#n);
  }

  /** The index-th vector. */
  vector(index: number): Float64Array {
    return this.#vectors[index]!;
  }

  /** w ← w − V Vᵀ w, in place. */
  removeFrom(w: Float64Array): void {
    if (this.#n < KERNEL_LENGTH) {
      for (const v of this.#vectors) subtractProjection(w, v);
      return;
    }
    for (const block of this.#blocks) {
      block.gram(w, this.#projection);
      const projection = this.#projection;
      for (let i = 0; i < w.length; i++) w[i]! -= projection[i]!;
    }
  }

  /** Leaves the kernels' memory to others; the basis must not be used afterwards. */
  release(): void {
    for (const block of this.#blocks.splice(0)) block.release();
  }

  /** Σ coefficientsⱼ vⱼ. */
  combine(coefficients: Float64Array): Float64Array {
    const sum = new Float64Array(this.#n);
    for (let j = 0; j < coefficients.length; j++) {
      const v = this.#vectors[j]!;
      const c = coefficients[j]!;
      for (let i = 0; i < sum.length; i++) sum[i]! += c * v[i]!;
    }
    return sum;
  }
}

/** xᵀy. */
export function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! * y[i]!;
  return sum;
}

/** ‖x‖₂ as computed (not a bound). */
export function norm(x: Float64Array): number {
  return Math.sqrt(dot(x, x));
}

function subtractProjection(w: Float64Array, v: Float64Array): void {
  const c = dot(v, w);
  for (let i = 0; i < w.length; i++) w[i]! -= c * v[i]!;
}
