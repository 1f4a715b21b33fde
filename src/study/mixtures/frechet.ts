import { singularValueDecomposition, singularValuesSmall } from "../../linalg/svd.ts";

/** Mean and covariance of a sample. */
export interface Moments {
  readonly mean: Float64Array;
  /** n × n, with count − 1 below. */
  readonly covariance: Float64Array;
}

/** @param points [count, n], at least two. */
export function momentsOf(points: ArrayLike<number>, n: number): Moments {
  const count = points.length / n;
  const mean = new Float64Array(n);
  for (let i = 0; i < points.length; i++) mean[i % n] += points[i] / count;
  const covariance = new Float64Array(n * n);
  for (let i = 0; i < count; i++) {
    for (let a = 0; a < n; a++) {
      const off = (points[i * n + a] - mean[a]) / (count - 1);
      for (let b = 0; b <= a; b++) covariance[a * n + b] += off * (points[i * n + b] - mean[b]);
    }
  }
  for (let a = 0; a < n; a++) for (let b = 0; b < a; b++) covariance[b * n + a] = covariance[a * n + b];
  return { mean, covariance };
}

/**
 * The Fréchet distance of two Gaussians with these moments, squared as usual (Dowson & Landau 1982; Heusel et al. 2017):
 * ‖m − m′‖² + tr C + tr C′ − 2 tr (C·C′)^½. With C = F·Fᵀ and C′ = F′·F′ᵀ the last trace is the sum of the singular values of
 * Fᵀ·F′.
 */
export function frechetDistance(a: Moments, b: Moments): number {
  const n = a.mean.length;
  const apart = a.mean.reduce((sum, value, i) => sum + (value - b.mean[i]) ** 2, 0);
  const [f, g] = [factor(a.covariance, n), factor(b.covariance, n)];
  const common = singularValuesSmall(transposedProduct(f, g, n), n, n).reduce((sum, s) => sum + s, 0);
  return Math.max(0, apart + trace(a.covariance, n) + trace(b.covariance, n) - 2 * common);
}

/** F with C = F·Fᵀ. */
function factor(covariance: Float64Array, n: number): Float64Array {
  const { u, s } = singularValueDecomposition(covariance, n, n);
  return u.map((value, i) => value * Math.sqrt(s[i % n]));
}

/** Fᵀ·G. */
function transposedProduct(f: Float64Array, g: Float64Array, n: number): Float64Array {
  const product = new Float64Array(n * n);
  for (let k = 0; k < n; k++) {
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) product[i * n + j] += f[k * n + i] * g[k * n + j];
    }
  }
  return product;
}

function trace(matrix: Float64Array, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += matrix[i * n + i];
  return sum;
}
