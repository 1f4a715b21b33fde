import type { RandomStream } from "../random.ts";

/** A·B, row-major: m × k times k × n. For tests. */
export function matrixProduct(
  a: Float64Array,
  b: Float64Array,
  m: number,
  k: number,
  n: number,
): Float64Array {
  const c = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < k; j++) {
      for (let l = 0; l < n; l++) c[i * n + l]! += a[i * k + j]! * b[j * n + l]!;
    }
  }
  return c;
}

/** Aᵀ of an m × n matrix. */
export function transposed(a: Float64Array, m: number, n: number): Float64Array {
  const t = new Float64Array(a.length);
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) t[j * m + i] = a[i * n + j]!;
  return t;
}

/** ‖AᵀA − I‖_max of an m × n matrix. */
export function orthonormalityDefect(a: Float64Array, m: number, n: number): number {
  const gram = matrixProduct(transposed(a, m, n), a, n, m, n);
  let worst = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) worst = Math.max(worst, Math.abs(gram[i * n + j]! - (i === j ? 1 : 0)));
  }
  return worst;
}

/** max |a − b|. */
export function largestDifference(a: Float64Array, b: Float64Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
  return largest;
}

/** U · diag(s) · Vᵀ, rows × cols. */
export function assembled(
  { u, s, v }: { u: Float64Array; s: Float64Array; v: Float64Array },
  rows: number,
  cols: number,
): Float64Array {
  const k = s.length;
  const scaled = u.map((value, index) => value * s[index % k]!);
  return matrixProduct(scaled, transposed(v, cols, k), rows, k, cols);
}

/** rows × cols of independent standard normals. */
export function gaussian(random: RandomStream, rows: number, cols: number): Float64Array {
  return Float64Array.from({ length: rows * cols }, () => random.normal());
}

/** Orthonormal columns (rows ≥ cols) by Gram–Schmidt on Gaussians, twice. */
export function orthonormal(random: RandomStream, rows: number, cols: number): Float64Array {
  const q = gaussian(random, rows, cols);
  for (let j = 0; j < cols; j++) {
    for (let pass = 0; pass < 2; pass++) {
      for (let k = 0; k < j; k++) {
        let dot = 0;
        for (let i = 0; i < rows; i++) dot += q[i * cols + k]! * q[i * cols + j]!;
        for (let i = 0; i < rows; i++) q[i * cols + j]! -= dot * q[i * cols + k]!;
      }
      let square = 0;
      for (let i = 0; i < rows; i++) square += q[i * cols + j]! ** 2;
      for (let i = 0; i < rows; i++) q[i * cols + j]! /= Math.sqrt(square);
    }
  }
  return q;
}
