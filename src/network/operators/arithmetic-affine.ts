import type { LinearOperator } from "../../linalg/operator.ts";
import { divUp, up } from "../../linalg/rounding.ts";
import { AffineTerms } from "./affine-terms.ts";
import {
  anyOperandsOf,
  at,
  type Constant,
  hasData,
  NOT_A_NUMBER,
  type Operand,
  type Operands,
  operandsOf,
} from "./broadcast.ts";
import { binaryOperation } from "./broadcast-function.ts";
import type { AffineOperation, LinearPart, Operation } from "./operation.ts";
import { identityPart, movedPart, scaledPart } from "./parts.ts";
import type { Binding, OperationRule } from "./rule.ts";
import { productFunction, quotientFunction } from "./scalar-binary.ts";

/**
 * y = factor·x.
 * @param roundings of the factor: 0 for exact numbers.
 */
export function multiple(factor: number, n: number, roundings = 0): LinearPart {
  if (factor === 1) return identityPart(n);
  const operator = (c: number) => {
    const apply = (x: Float64Array) => x.map((v) => c * v);
    return { rows: n, cols: n, apply, adjoint: apply };
  };
  const magnitude = Math.abs(factor);
  const most = magnitude === 1 ? 1 : up(magnitude * (1 + (roundings + 1) * 2 ** -52));
  return {
    ...operator(factor),
    ...(factor < 0 ? { magnitude: operator(magnitude) } : {}),
    roundings: magnitude === 1 ? 0 : roundings + 1,
    rowNorms: () => new Float64Array(n).fill(most),
    norm: () => ({ lower: 0, upper: n === 0 ? 0 : most, guarantee: "proof", method: "closed-form" }),
    ...(roundings === 0 ? { exactEntries: true as const } : {}),
    diagonal: { factors: new Float64Array(n).fill(factor), roundings },
  };
}

/** An operand as a matrix that copies its entries, times a factor with so many roundings. */
function multiplied(operand: Operand, rows: number, factor: number, roundings: number): LinearPart {
  const { sources, size } = operand;
  if (sources === undefined) return multiple(factor, size, roundings);
  if (factor === 1) return movedPart(sources, size);
  return scaledPart(sources, new Float64Array(rows).fill(factor), size, roundings);
}

function expanded({ data, sources }: Constant, factor: number): Float64Array {
  return sources === undefined
    ? data.map((c) => factor * c)
    : Float64Array.from(sources, (s) => factor * data[s]);
}

/** Σ factorₖ·operandₖ. */
function combination(
  binding: Binding,
  factorOf: (k: number) => number,
  roundings: number,
): AffineOperation | string {
  const operands = operandsOf(binding);
  if (typeof operands === "string") return operands;
  const terms = new AffineTerms(binding);
  for (const [k, operand] of operands.all.entries()) {
    const factor = factorOf(k);
    if (!hasData(operand)) {
      terms.part(k, multiplied(operand, operands.size, factor, roundings));
    } else {
      terms.constant(expanded(operand, factor), Math.abs(factor) === 1 ? 0 : roundings + 1);
    }
  }
  return terms.operation() ?? "one of its signals is no operand";
}

export const add: OperationRule = (binding) => combination(binding, () => 1, 0);

export const subtract: OperationRule = (binding) => combination(binding, (k) => (k === 0 ? 1 : -1), 0);

export const mean: OperationRule = (binding) => {
  const count = binding.inputs.length;
  return combination(binding, () => 1 / count, 1);
};

/** The signal times a coefficient per entry. */
function scaled(signal: Operand, coefficients: Constant, { size }: Operands): AffineOperation {
  if (coefficients.size === 1 && signal.sources === undefined) {
    return { kind: "affine", parts: [multiple(coefficients.data[0], size)] };
  }
  const sources = signal.sources ?? Int32Array.from({ length: size }, (_, i) => i);
  return { kind: "affine", parts: [scaledPart(sources, expanded(coefficients, 1), signal.size, 0)] };
}

/** The signal divided by a number per entry: by division, so that 49 / 49 is 1. */
function dividedPart({ sources, size: cols }: Operand, divisors: Float64Array): LinearPart {
  const rows = divisors.length;
  const by = (d: Float64Array): LinearOperator => ({
    rows,
    cols,
    apply(x) {
      const y = new Float64Array(rows);
      for (let i = 0; i < rows; i++) y[i] = x[at(sources, i)] / d[i];
      return y;
    },
    adjoint(y) {
      const x = new Float64Array(cols);
      for (let i = 0; i < rows; i++) x[at(sources, i)] += y[i] / d[i];
      return x;
    },
  });
  return {
    ...by(divisors),
    magnitude: by(divisors.map(Math.abs)),
    roundings: 1,
    rowNorms: () => divisors.map((d) => divUp(1, Math.abs(d))),
  };
}

export const multiply: OperationRule = (binding) => {
  const operands = operandsOf(binding);
  if (typeof operands === "string") return operands;
  const [a, b] = operands.all;
  const factor = [a, b].find(hasData);
  if (factor === undefined) return binaryOperation(binding, productFunction);
  if (!factor.data.every(Number.isFinite)) return binaryOperation(binding, productFunction);
  return scaled(factor === a ? b : a, factor, operands);
};

export const divide: OperationRule = (binding): Operation | string => {
  const operands = operandsOf(binding);
  if (typeof operands === "string") return operands;
  const [dividend, divisor] = operands.all;
  if (!hasData(divisor)) return binaryOperation(binding, quotientFunction);
  if (!divisor.data.every((d) => Number.isFinite(1 / d))) return binaryOperation(binding, quotientFunction);
  const divisors = Float64Array.from(
    { length: operands.size },
    (_, i) => divisor.data[at(divisor.sources, i)],
  );
  return { kind: "affine", parts: [dividedPart(dividend, divisors)] };
};

/** Entries of one or the other, as a constant condition says. */
export const choose: OperationRule = (binding) => {
  const operands = anyOperandsOf(binding);
  if (typeof operands === "string") return operands;
  const { all, size } = operands;
  const [condition] = all;
  if (!hasData(condition)) return "its condition depends on the network's input";
  const { data, sources } = condition;
  const terms = new AffineTerms(binding);
  for (const [k, operand] of [...all.entries()].slice(1)) {
    const chosen = (i: number) => (data[at(sources, i)] !== 0) === (k === 1);
    const from = Int32Array.from({ length: size }, (_, i) => (chosen(i) ? at(operand.sources, i) : -1));
    if (!hasData(operand)) {
      terms.part(k, movedPart(from, operand.size));
      continue;
    }
    const numbers = Float64Array.from(from, (s) => (s < 0 ? 0 : operand.data[s]));
    if (numbers.some(Number.isNaN)) return NOT_A_NUMBER;
    terms.constant(numbers);
  }
  return terms.operation() ?? "one of its signals is no operand";
};
