import { intAttribute, stringAttribute } from "../attributes.ts";
import { at, numbersOf, type Operands, operandsOf } from "./broadcast.ts";
import type { Box, GeneralOperation } from "./operation.ts";
import type { Binding, OperationRule } from "./rule.ts";

/**
 * Whole numbers and truth values: shape arithmetic that depends on constants only, and what networks compute from
 * positions of maxima and the like. Numbers are exact up to 2⁵³; they move in jumps, so their slopes are 0.
 */
export type IntegerFunction = (operands: Float64Array, dtype: string) => number;

function allPoints(boxes: readonly Box[]): boolean {
  return boxes.every(({ lo, hi }) => lo.every((x, i) => x === hi[i]));
}

/** The operation of a node whose operands are broadcast against each other. */
export function integerOperation(binding: Binding, f: IntegerFunction): GeneralOperation | string {
  const operands = operandsOf(binding);
  if (typeof operands === "string") return operands;
  const { size, all } = operands;
  const dtype = binding.inputs[0]?.dtype ?? "unknown";
  const sizes = all.flatMap((o) => (o.data === undefined ? [o.size] : []));
  const forward = (x: readonly Float64Array[]) => evaluate(operands, x, f, dtype);
  return {
    kind: "general",
    forward,
    jvp: () => new Float64Array(size),
    vjp: () => sizes.map((n) => new Float64Array(n)),
    image(boxes) {
      if (!allPoints(boxes)) {
        return { lo: new Float64Array(size).fill(-Infinity), hi: new Float64Array(size).fill(Infinity) };
      }
      const y = forward(boxes.map((box) => box.lo));
      return { lo: y, hi: y };
    },
    local: (boxes) => (allPoints(boxes) ? { constants: sizes.map(() => 0), join: "sum" } : null),
  };
}

function evaluate(
  operands: Operands,
  signals: readonly Float64Array[],
  f: IntegerFunction,
  dtype: string,
): Float64Array {
  const numbers = numbersOf(operands, signals);
  const entry = new Float64Array(numbers.length);
  const y = new Float64Array(operands.size);
  const wrap = wrapping(dtype);
  for (let i = 0; i < y.length; i++) {
    for (let k = 0; k < entry.length; k++) entry[k] = numbers[k][at(operands.all[k].sources, i)];
    y[i] = wrap(f(entry, dtype));
  }
  return y;
}

/** Bits of an integer type and whether it has a sign; undefined for other types. */
function layoutOf(dtype: string): { readonly bits: number; readonly signed: boolean } | undefined {
  const found = /^(u?)int(\d+)$/.exec(dtype);
  return found === null ? undefined : { bits: Number(found[2]), signed: found[1] === "" };
}

/** What a type keeps of a number: narrow integers run over, 64-bit ones are too long for float64 to tell. */
function wrapping(dtype: string): (x: number) => number {
  const layout = layoutOf(dtype);
  if (layout === undefined || layout.bits > 32) return (x) => x;
  const range = 2 ** layout.bits;
  const top = layout.signed ? range / 2 : range;
  return (x) => {
    const rest = ((x % range) + range) % range;
    return rest >= top ? rest - range : rest;
  };
}

const isTrue = (x: number) => x !== 0;
const bit = (x: boolean) => (x ? 1 : 0);

/** Through BigInt, in the two's complement of the type: nothing here runs often. */
function bitwise(f: (a: bigint, b: bigint, bits: number) => bigint): IntegerFunction {
  return (x, dtype) => {
    const { bits, signed } = layoutOf(dtype) ?? { bits: 64, signed: true };
    const [a, b] = [x[0], x[1] ?? 0].map((v) =>
      BigInt.asUintN(bits, BigInt(Number.isFinite(v) ? Math.trunc(v) : 0)),
    );
    const result = f(a, b, bits);
    return Number(signed ? BigInt.asIntN(bits, result) : BigInt.asUintN(bits, result));
  };
}

const shiftLeft = bitwise((a, b, bits) => (b < bits ? a << b : 0n));
const shiftRight = bitwise((a, b, bits) => (b < bits ? a >> b : 0n));
const exactProduct = bitwise((a, b) => a * b);

/** Python's remainder, or C's: with the sign of the divisor, or of the dividend. */
export function remainder(a: number, b: number, likeC: boolean): number {
  const r = a % b;
  return likeC || r === 0 || r < 0 === b < 0 ? r : r + b;
}

/** Division drops the fraction. */
export const INTEGER_FUNCTIONS: Readonly<Record<string, IntegerFunction>> = {
  Add: ([a, b]) => a + b,
  Sub: ([a, b]) => a - b,
  Mul: (x, dtype) => (Number.isSafeInteger(x[0] * x[1]) ? x[0] * x[1] : exactProduct(x, dtype)),
  Div: ([a, b]) => Math.trunc(a / b),
  Pow: ([a, b]) => Math.trunc(a ** b),
  Sum: (xs) => xs.reduce((s, x) => s + x, 0),
  And: ([a, b]) => bit(isTrue(a) && isTrue(b)),
  Or: ([a, b]) => bit(isTrue(a) || isTrue(b)),
  Xor: ([a, b]) => bit(isTrue(a) !== isTrue(b)),
  BitwiseAnd: bitwise((a, b) => a & b),
  BitwiseOr: bitwise((a, b) => a | b),
  BitwiseXor: bitwise((a, b) => a ^ b),
  BitwiseNot: bitwise((a) => ~a),
};

/** The rule of an operator on integers or truth values, whatever its attributes. */
export function integerRule(opType: string): OperationRule {
  return (binding) => integerOperation(binding, INTEGER_FUNCTIONS[opType]);
}

export const bitShift: OperationRule = (binding) => {
  const left = stringAttribute(binding.node, "direction") !== "RIGHT";
  return integerOperation(binding, left ? shiftLeft : shiftRight);
};

export const integerMod: OperationRule = (binding) => {
  const likeC = intAttribute(binding.node, "fmod") === 1;
  return integerOperation(binding, ([a, b]) => remainder(a, b, likeC));
};
