import { divUp } from "../../linalg/rounding.ts";
import { type ConstantRule, ON_A_BALL, unbounded } from "../constants/rule.ts";
import { magnitudes } from "../constants/stored-values.ts";
import { knownContents } from "../shapes/value.ts";
import { broadcastConstant, broadcastJoin } from "./broadcast-constant.ts";
import type { JoinRule } from "./rule.ts";

const NOT_STORED =
  "its numbers are not stored in the file as they are (they are computed, or depend on an input), or not finite";

export const multiplyConstant: ConstantRule = async (chain) => {
  const { node, scope, at } = chain;
  const factor = await magnitudes(scope, node.inputs[1 - at] ?? "");
  if (factor === null)
    return unbounded(`how large the factor is that it multiplies by is unknown: ${NOT_STORED}`);
  return broadcastConstant(chain, factor.max, `multiplied by a constant of at most ${factor.max}`);
};

export const divideConstant: ConstantRule = async (chain) => {
  if (/int/.test(chain.input.dtype)) return unbounded("integer division drops fractions, so it jumps");
  if (chain.at === 1) return unbounded(`division by the input has no finite slope near 0; ${ON_A_BALL}`);
  const divisor = await magnitudes(chain.scope, chain.node.inputs[1] ?? "");
  if (divisor === null)
    return unbounded(`how small the number is that it divides by is unknown: ${NOT_STORED}`);
  if (divisor.min === 0) return unbounded("it divides by 0");
  return broadcastConstant(chain, divUp(1, divisor.min), `divided by a constant of at least ${divisor.min}`);
};

export const powerConstant: ConstantRule = (chain) => {
  const exponents = chain.at === 0 ? knownContents(chain.scope.value(chain.node.inputs[1] ?? "")) : undefined;
  return exponents !== undefined && exponents.length > 0 && exponents.every((e) => e === 1)
    ? broadcastConstant(chain, 1, "the first power")
    : unbounded(`a power has no finite slope over all inputs; ${ON_A_BALL}`);
};

export const meanConstant: ConstantRule = (chain) => {
  const count = chain.node.inputs.length;
  return broadcastConstant(chain, divUp(1, count), `one of ${count} that are averaged`);
};

export const meanJoin: JoinRule = (join) => {
  const count = join.node.inputs.length;
  return broadcastJoin(join, "sum", divUp(1, count), `the mean of ${count}`);
};

/** A constant condition chooses entries of one or the other; one that depends on the input may jump. */
export const whereConstant: ConstantRule = (chain) =>
  chain.at === 0
    ? unbounded("its condition depends on the input, so it may jump")
    : broadcastConstant(chain, 1, "a constant choice of entries");

export const whereJoin: JoinRule = (join) =>
  join.signals.includes(0)
    ? { unbounded: "its condition depends on the input, so it may jump" }
    : broadcastJoin(join, "euclidean", 1, "each entry is one of the two");

export const PRODUCT = `a product of two values that depend on the input has no finite constant over all inputs; ${ON_A_BALL}`;
export const QUOTIENT = `division by a value that depends on the input has no finite slope near 0; ${ON_A_BALL}`;
export const POWER = `a power whose exponent depends on the input has no finite constant; ${ON_A_BALL}`;
