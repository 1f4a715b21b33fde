import { intAttribute } from "../attributes.ts";
import { JUMPS } from "../constants/rule.ts";
import { add, choose, divide, mean, multiply, subtract } from "./arithmetic-affine.ts";
import {
  divideConstant,
  meanConstant,
  meanJoin,
  multiplyConstant,
  POWER,
  PRODUCT,
  powerConstant,
  QUOTIENT,
  whereConstant,
  whereJoin,
} from "./arithmetic-constant.ts";
import { largest, largestAndSmallest, smallest } from "./arithmetic-extremes.ts";
import { bitShift, integerMod, integerRule, remainder } from "./arithmetic-integer.ts";
import { broadcastContraction, joins } from "./broadcast-constant.ts";
import { binaryRule } from "./broadcast-function.ts";
import { broadcasting, type Fold, whereShape } from "./broadcast-shape.ts";
import type { OperationRule, OperatorRule, OperatorRules } from "./rule.ts";
import { comparisons, powerFunction, remainderFunction } from "./scalar-binary.ts";

/** Integers and truth values. */
function isWhole(dtype: string | undefined): boolean {
  return dtype !== undefined && /^(u?int\d+|bool)$/.test(dtype);
}

/** One operation for real numbers, another for whole ones. */
function byType(real: OperationRule, whole: OperationRule): OperationRule {
  return (binding) => (isWhole(binding.inputs[0]?.dtype) ? whole(binding) : real(binding));
}

/** fmod 1 is C's remainder; the other one is for integers only. */
const realMod: OperationRule = (binding) =>
  intAttribute(binding.node, "fmod") === 1
    ? binaryRule(remainderFunction)(binding)
    : "Mod of real numbers needs fmod 1";

/** A comparison, which says true or false. */
function compared(op: keyof typeof comparisons, fold: (a: number, b: number) => boolean): OperatorRule {
  return {
    shape: broadcasting(([a, b]) => (fold(a, b) ? 1 : 0), "bool"),
    constant: JUMPS,
    join: JUMPS,
    operation: binaryRule(comparisons[op]),
  };
}

/** An operator on integers or truth values only. */
function whole(op: string, fold: Fold | null, dtype?: string): OperatorRule {
  return { shape: broadcasting(fold, dtype), constant: JUMPS, operation: integerRule(op) };
}

/** Arithmetic and comparisons of operands broadcast against each other. */
export const arithmeticRules: OperatorRules = {
  Add: {
    shape: broadcasting(([a, b]) => a + b),
    constant: broadcastContraction("a constant is added"),
    anyInput: true,
    join: joins("sum", "a sum"),
    operation: byType(add, integerRule("Add")),
  },
  Sub: {
    shape: broadcasting(([a, b]) => a - b),
    constant: broadcastContraction("a constant is added"),
    anyInput: true,
    join: joins("sum", "a difference"),
    operation: byType(subtract, integerRule("Sub")),
  },
  Sum: {
    shape: broadcasting((xs) => xs.reduce((a, b) => a + b, 0)),
    constant: broadcastContraction("a constant is added"),
    anyInput: true,
    join: joins("sum", "a sum"),
    operation: byType(add, integerRule("Sum")),
  },
  Mean: {
    shape: broadcasting(null),
    constant: meanConstant,
    anyInput: true,
    join: meanJoin,
    operation: mean,
  },
  Mul: {
    shape: broadcasting(([a, b]) => a * b),
    constant: multiplyConstant,
    anyInput: true,
    join: PRODUCT,
    operation: byType(multiply, integerRule("Mul")),
  },
  Div: {
    shape: broadcasting(([a, b], dtype) => (isWhole(dtype) ? Math.trunc(a / b) : a / b)),
    constant: divideConstant,
    anyInput: true,
    join: QUOTIENT,
    operation: byType(divide, integerRule("Div")),
  },
  Pow: {
    shape: broadcasting(([a, b]) => a ** b),
    constant: powerConstant,
    anyInput: true,
    join: POWER,
    operation: byType(binaryRule(powerFunction), integerRule("Pow")),
  },
  Mod: {
    shape: broadcasting(([a, b], _dtype, op) => remainder(a, b, intAttribute(op.node, "fmod") === 1)),
    constant: JUMPS,
    operation: byType(realMod, integerMod),
  },
  Max: {
    shape: broadcasting((xs) => Math.max(...xs)),
    constant: broadcastContraction("its slope is at most 1"),
    anyInput: true,
    join: joins("euclidean", "each entry is one of its operands"),
    operation: largest,
  },
  Min: {
    shape: broadcasting((xs) => Math.min(...xs)),
    constant: broadcastContraction("its slope is at most 1"),
    anyInput: true,
    join: joins("euclidean", "each entry is one of its operands"),
    operation: smallest,
  },
  Where: {
    shape: whereShape,
    constant: whereConstant,
    anyInput: true,
    join: whereJoin,
    operation: choose,
  },
  Greater: compared("Greater", (a, b) => a > b),
  GreaterOrEqual: compared("GreaterOrEqual", (a, b) => a >= b),
  Less: compared("Less", (a, b) => a < b),
  LessOrEqual: compared("LessOrEqual", (a, b) => a <= b),
  Equal: compared("Equal", (a, b) => a === b),
  And: whole("And", ([a, b]) => (a && b ? 1 : 0), "bool"),
  Or: whole("Or", ([a, b]) => (a || b ? 1 : 0), "bool"),
  Xor: whole("Xor", ([a, b]) => (!a !== !b ? 1 : 0), "bool"),
  BitwiseAnd: whole("BitwiseAnd", null),
  BitwiseOr: whole("BitwiseOr", null),
  BitwiseXor: whole("BitwiseXor", null),
  BitShift: { shape: broadcasting(null), constant: JUMPS, operation: bitShift },
};

/** Sorting of pairs as one node, which max-min.ts puts in the place of a maximum and a minimum. */
export const maxMinRules: OperatorRules = {
  MaxMin: {
    shape: (op) => {
      const [larger] = broadcasting(null)(op);
      return [larger, larger];
    },
    jointOutputs: true,
    join: joins("euclidean", "pairs are sorted"),
    operation: largestAndSmallest,
  },
};
