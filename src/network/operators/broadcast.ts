import { rowMajorStrides } from "../shapes/value.ts";
import { axisRange, separableSources, sizeOf } from "./index-maps.ts";
import type { Box } from "./operation.ts";
import type { Binding } from "./rule.ts";

export const NOT_A_NUMBER = "one of its constants holds a NaN";

/** Where each entry of a tensor of shape `target` reads a tensor of `shape` broadcast to it. */
export function broadcastSources(shape: readonly number[], target: readonly number[]): Int32Array {
  const strides = rowMajorStrides(shape);
  const lead = target.length - shape.length;
  return separableSources(
    target.map((size, axis) => {
      const own = axis - lead;
      return own < 0 || shape[own] === 1 ? new Int32Array(size) : axisRange(size, strides[own]);
    }),
  );
}

/** One operand of an elementwise operation. */
export interface Operand {
  /** Where each entry of the result reads it; absent where it has the shape of the result. */
  readonly sources?: Int32Array;
  readonly size: number;
  /** The numbers of a constant; absent for a signal. */
  readonly data?: Float64Array;
}

/** An operand that is constant. */
export type Constant = Operand & { readonly data: Float64Array };

export function hasData(operand: Operand): operand is Constant {
  return operand.data !== undefined;
}

/** The operands of an elementwise operation in order, and how many entries its result has. */
export interface Operands {
  readonly all: readonly Operand[];
  readonly size: number;
}

/** An operand as it is read for a result of shape `target`, or undefined where it cannot be. */
function operandOf(input: Binding["inputs"][number], target: readonly number[]): Operand | undefined {
  if (input === undefined) return undefined;
  const { shape, data } = input;
  const lead = target.length - shape.length;
  if (lead < 0 || shape.some((d, i) => d !== 1 && d !== target[lead + i])) return undefined;
  const same = shape.every((d, i) => d === target[lead + i]) && sizeOf(shape) === sizeOf(target);
  return {
    size: sizeOf(shape),
    ...(same ? {} : { sources: broadcastSources(shape, target) }),
    ...(data === undefined ? {} : { data }),
  };
}

/** The operands of a node broadcast against each other, or why they cannot be: NaN is no number to compute with. */
export function operandsOf(binding: Binding): Operands | string {
  const operands = anyOperandsOf(binding);
  if (typeof operands === "string") return operands;
  const bad = operands.all.some((operand) => operand.data?.some(Number.isNaN) === true);
  return bad ? NOT_A_NUMBER : operands;
}

/** The same where not every number need be used. */
export function anyOperandsOf(binding: Binding): Operands | string {
  const { inputs, outputs, opset } = binding;
  const target = outputs.find((v) => v !== undefined)?.shape;
  if (target === undefined) return "none of its outputs is used";
  const all = inputs.map((input) => operandOf(input, target));
  if (opset < 7 && all.some((operand) => operand?.sources !== undefined)) {
    return "before operator set 7 operands are broadcast along an axis, which is not covered";
  }
  const known = all.filter((operand) => operand !== undefined);
  return known.length === inputs.length
    ? { all: known, size: sizeOf(target) }
    : `operands of shapes ${inputs.map((v) => `[${v?.shape ?? ""}]`).join(", ")} do not broadcast to [${target}]`;
}

/** The numbers of every operand: constants, and the signals in their order. */
export function numbersOf(operands: Operands, signals: readonly Float64Array[]): readonly Float64Array[] {
  let next = 0;
  return operands.all.map(({ data }) => data ?? signals[next++]);
}

/** The boxes of every operand: constants are points. */
export function boxesOf(operands: Operands, boxes: readonly Box[]): readonly Box[] {
  let next = 0;
  return operands.all.map(({ data }) => (data === undefined ? boxes[next++] : { lo: data, hi: data }));
}

/** The position an operand is read at for entry i of the result. */
export function at(sources: Int32Array | undefined, i: number): number {
  return sources === undefined ? i : sources[i];
}
