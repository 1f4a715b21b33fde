/** Aᵀ of a row-major m × n matrix. */
export function transpose(a: Float64Array, m: number, n: number): Float64Array {
  const t = new Float64Array(a.length);
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) t[j * m + i] = a[i * n + j]!;
  return t;
}

/** A·B, row-major, m × k times k × n. */
export function multiply(a: Float64Array, b: Float64Array, m: number, k: number, n: number): Float64Array {
  const c = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < k; j++) {
      const factor = a[i * k + j]!;
      if (factor === 0) continue;
      for (let l = 0; l < n; l++) c[i * n + l]! += factor * b[j * n + l]!;
    }
  }
  return c;
}

/** A·Aᵀ of a row-major m × n matrix. */
export function gramOfRows(a: Float64Array, m: number, n: number): Float64Array {
  const g = new Float64Array(m * m);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += a[i * n + k]! * a[j * n + k]!;
      g[i * m + j] = sum;
      g[j * m + i] = sum;
    }
  }
  return g;
}
