/** An exact fraction; the denominator is positive. For tests of rounding. */
export interface Rational {
  readonly over: bigint;
  readonly under: bigint;
}

export const ZERO: Rational = { over: 0n, under: 1n };

/** The exact value of a finite float64 number. */
export function rational(x: number): Rational {
  let mantissa = x;
  let exponent = 0;
  while (!Number.isInteger(mantissa)) {
    mantissa *= 2;
    exponent++;
  }
  return reduced(BigInt(mantissa), 1n << BigInt(exponent));
}

function reduced(over: bigint, under: bigint): Rational {
  let [a, b] = [over < 0n ? -over : over, under];
  while (b > 0n) [a, b] = [b, a % b];
  return { over: over / a, under: under / a };
}

export function plus(x: Rational, y: Rational): Rational {
  return reduced(x.over * y.under + y.over * x.under, x.under * y.under);
}

export function minus(x: Rational, y: Rational): Rational {
  return reduced(x.over * y.under - y.over * x.under, x.under * y.under);
}

export function times(x: Rational, y: Rational): Rational {
  return reduced(x.over * y.over, x.under * y.under);
}

/** x / y, y ≠ 0. */
export function over(x: Rational, y: Rational): Rational {
  const sign = y.over < 0n ? -1n : 1n;
  return reduced(sign * x.over * y.under, sign * x.under * y.over);
}

/** −1, 0 or 1. */
export function signOf(x: Rational): number {
  return x.over > 0n ? 1 : x.over < 0n ? -1 : 0;
}

/** A matrix by rows. */
export type RationalMatrix = readonly (readonly Rational[])[];

export function rationalMatrix(
  rows: number,
  cols: number,
  entry: (i: number, j: number) => Rational,
): RationalMatrix {
  return Array.from({ length: rows }, (_, i) => Array.from({ length: cols }, (_v, j) => entry(i, j)));
}

export function matrixTimes(a: RationalMatrix, b: RationalMatrix): RationalMatrix {
  return rationalMatrix(a.length, b[0]!.length, (i, j) =>
    a[i]!.reduce((sum, x, k) => plus(sum, times(x, b[k]![j]!)), ZERO),
  );
}

export function flipped(a: RationalMatrix): RationalMatrix {
  return rationalMatrix(a[0]!.length, a.length, (i, j) => a[j]![i]!);
}

/**
 * Whether a symmetric matrix is positive semidefinite: eliminates while pivots are positive; a pivot 0 must have a row
 * of zeros.
 */
export function isPositiveSemidefinite(matrix: RationalMatrix): boolean {
  const n = matrix.length;
  const a = matrix.map((row) => [...row]);
  for (let i = 0; i < n; i++) {
    const pivot = a[i]![i]!;
    if (signOf(pivot) < 0) return false;
    for (let j = i + 1; j < n; j++) {
      if (signOf(pivot) === 0) {
        if (signOf(a[i]![j]!) !== 0) return false;
        continue;
      }
      const factor = over(a[j]![i]!, pivot);
      for (let k = i + 1; k < n; k++) a[j]![k] = minus(a[j]![k]!, times(factor, a[i]![k]!));
    }
  }
  return true;
}
