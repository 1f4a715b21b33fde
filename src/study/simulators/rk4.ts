/** The right-hand side of ẋ = rate(x). */
export type Rate = (x: Float64Array) => Float64Array;

/** One step of the classical Runge–Kutta method of order 4; `x` stays as it is. */
export function rk4(rate: Rate, x: Float64Array, step: number): Float64Array {
  const along = (slope: Float64Array, share: number) => x.map((value, i) => value + share * step * slope[i]!);
  const k1 = rate(x);
  const k2 = rate(along(k1, 1 / 2));
  const k3 = rate(along(k2, 1 / 2));
  const k4 = rate(along(k3, 1));
  return x.map((value, i) => value + (step / 6) * (k1[i]! + 2 * k2[i]! + 2 * k3[i]! + k4[i]!));
}
