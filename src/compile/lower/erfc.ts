import type { Lower, Lowerings } from "./lowering.ts";

/** Abramowitz & Stegun 7.1.26, highest power first: what jax-js computes too, accurate where 1 − erf(x) has no digits left. */
const COEFFICIENTS = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592];
const P = 0.3275911;

/** erfc(x) = P(t)·exp(−x²) with t = 1/(1 + p·x) for x ≥ 0, and 2 − erfc(−x) for the others. */
const erfc: Lower<"erfc"> = (lowering, { inputs: [x], dtype }) => {
  const { emitter } = lowering;
  const name = lowering.name(x);
  const constant = (value: number) => emitter.scalar(value, dtype);
  const op = (opType: string, ...operands: string[]) => emitter.op(opType, operands);
  const size = op("Abs", name);
  const t = op("Reciprocal", op("Add", op("Mul", size, constant(P)), constant(1)));
  const polynomial = COEFFICIENTS.map(constant).reduce((sum, c) => op("Add", op("Mul", sum, t), c));
  const tail = op("Mul", op("Mul", polynomial, t), op("Exp", op("Neg", op("Mul", name, name))));
  return op("Where", op("Less", name, constant(0)), op("Sub", constant(2), tail), tail);
};

export const ERFC: Lowerings = { erfc };
