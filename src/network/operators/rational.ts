/** An exact fraction n/d, d > 0. Not reduced: few operations, on one denominator for the most part, keep it short. */
export interface Rational {
  readonly n: bigint;
  readonly d: bigint;
}

/** n/d of whole numbers, d ≠ 0. */
export function ratio(n: number, d: number): Rational {
  return d < 0 ? { n: BigInt(-n), d: BigInt(-d) } : { n: BigInt(n), d: BigInt(d) };
}

/** A float64 as the fraction it is. @throws RangeError when it is not finite. */
export function exactly(x: number): Rational {
  if (!Number.isFinite(x)) throw new RangeError(`${x} is not a fraction`);
  let d = 1n;
  let scaled = x;
  while (!Number.isInteger(scaled)) {
    scaled *= 2;
    d *= 2n;
  }
  return { n: BigInt(scaled), d };
}

export const ZERO: Rational = { n: 0n, d: 1n };
export const ONE: Rational = { n: 1n, d: 1n };
export const HALF: Rational = { n: 1n, d: 2n };

export function plus(a: Rational, b: Rational): Rational {
  if (a.d === b.d) return { n: a.n + b.n, d: a.d };
  return { n: a.n * b.d + b.n * a.d, d: a.d * b.d };
}

export function minus(a: Rational, b: Rational): Rational {
  if (a.d === b.d) return { n: a.n - b.n, d: a.d };
  return { n: a.n * b.d - b.n * a.d, d: a.d * b.d };
}

export function times(a: Rational, b: Rational): Rational {
  return { n: a.n * b.n, d: a.d * b.d };
}

/** a/b, b ≠ 0. */
export function over(a: Rational, b: Rational): Rational {
  return b.n < 0n ? { n: -a.n * b.d, d: -a.d * b.n } : { n: a.n * b.d, d: a.d * b.n };
}

export function isLess(a: Rational, b: Rational): boolean {
  return a.n * b.d < b.n * a.d;
}

/** The largest whole number ≤ a. */
export function floor({ n, d }: Rational): number {
  const q = n / d;
  return Number(n % d < 0n ? q - 1n : q);
}

/** Bits that a float64 has room for, with some to spare. */
const MAX_BITS = 1000;

/** x as a float64 times a power of two. */
function scaled(x: bigint): readonly [number, exponent: number] {
  const beyond = 4 * x.toString(16).length - MAX_BITS;
  return beyond <= 0 ? [Number(x), 0] : [Number(x >> BigInt(beyond)), beyond];
}

/** a as a float64: at most three roundings (of n, d and their quotient), unless |a| is as small as 2⁻⁹⁰⁰. */
export function toNumber({ n, d }: Rational): number {
  const [above, p] = scaled(n);
  const [below, q] = scaled(d);
  return p === q ? above / below : (above / below) * 2 ** (p - q);
}

/** True when x is a, without rounding. */
export function equals(a: Rational, x: number): boolean {
  const b = exactly(x);
  return a.n * b.d === b.n * a.d;
}
