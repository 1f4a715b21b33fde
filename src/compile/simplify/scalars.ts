import { type Comparison, type Node, roundedTo } from "../graph.ts";
import type { ElementType } from "../lowered.ts";
import type { Builder, Rule } from "./builder.ts";

type Numbers = readonly number[];

const UNARY: Readonly<Record<string, (x: number) => number>> = {
  neg: (x) => -x,
  reciprocal: (x) => 1 / x,
  floor: Math.floor,
  ceil: Math.ceil,
  sin: Math.sin,
  cos: Math.cos,
  asin: Math.asin,
  atan: Math.atan,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  tanh: Math.tanh,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  relu: (x) => Math.max(x, 0),
  abs: Math.abs,
};

const FLOAT: Readonly<Record<string, (x: number, y: number) => number>> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => x / y,
  idiv: (x, y) => Math.trunc(x / y),
  min: Math.min,
  max: Math.max,
};

/** On integers; a division by zero is left for the run. */
const INTEGER: Readonly<Record<string, (x: number, y: number) => number | undefined>> = {
  ...FLOAT,
  mul: Math.imul,
  idiv: (x, y) => (y === 0 ? undefined : Math.trunc(x / y)),
  mod: (x, y) => (y === 0 ? undefined : x % y),
};

const COMPARISONS: Readonly<Record<Comparison, (x: number, y: number) => boolean>> = {
  less: (x, y) => x < y,
  lessOrEqual: (x, y) => x <= y,
  equal: (x, y) => x === y,
  notEqual: (x, y) => x !== y,
};

/** Computes an elementwise operation whose operands are all constants of rank 0. */
export const foldScalars: Rule<never> = (build: Builder, node: Node): Node | undefined => {
  const values: number[] = [];
  for (const input of node.inputs) {
    if (input.op !== "scalar") return undefined;
    values.push(input.parameters.value);
  }
  const value = folded(node, values);
  return value === undefined ? undefined : build.scalar(value, node.dtype);
};

function folded(node: Node, [x, y, z]: Numbers): number | undefined {
  const type = node.inputs[0].dtype;
  if (node.op === "compare") return Number(COMPARISONS[node.parameters.comparison](x, y));
  if (node.op === "where") return x === 0 ? z : y;
  if (node.op in UNARY) return isInteger(type) ? undefined : UNARY[node.op](x);
  if (node.op === "not") return 1 - x;
  if (type === "bool") return undefined;
  if (!isInteger(type)) return FLOAT[node.op]?.(x, y);
  const result = INTEGER[node.op]?.(x, y);
  return result === undefined ? undefined : wrapped(result, type);
}

function isInteger(dtype: ElementType): boolean {
  return dtype === "int32" || dtype === "uint32";
}

function wrapped(value: number, dtype: ElementType): number {
  return roundedTo(dtype === "int32" ? value | 0 : value >>> 0, dtype);
}
