import { elementCount, type Node, type NodeOf, type Reduction } from "../graph.ts";
import type { ElementType } from "../lowered.ts";
import { filled } from "./emitter.ts";
import { isEmpty, type Lower, type Lowering, type Lowerings } from "./lowering.ts";
import { transposed } from "./transposition.ts";

const OPERATORS: Readonly<Record<Reduction, string>> = {
  add: "ReduceSum",
  mul: "ReduceProd",
  min: "ReduceMin",
  max: "ReduceMax",
};

/** On truth values: any or all. */
const OF_BOOLEANS: Readonly<Record<Reduction, "min" | "max">> = {
  add: "max",
  max: "max",
  mul: "min",
  min: "min",
};

/** Sums over the first axes as a product with ones: onnxruntime's ReduceSum splits them among threads at great cost. */
function columnSums(
  lowering: Lowering,
  { inputs: [x], parameters: { axes }, shape, dtype }: NodeOf<"reduce">,
): string {
  const { emitter } = lowering;
  const rows = elementCount(x.shape.slice(0, axes.length));
  const columns = elementCount(shape);
  const ones = emitter.sharedTensor(`${dtype} ${rows} ones`, dtype, [1, rows], () =>
    filled([rows], dtype, 1),
  );
  const sums = emitter.op("Gemm", [ones, lowering.reshaped(x, [rows, columns])]);
  return lowering.reshape(sums, [1, columns], shape);
}

/** Rows above which the row of ones would weigh on the model. */
const MOST_ROWS = 2 ** 18;

function isColumnSum({
  inputs: [x],
  parameters: { reduction, axes },
  shape,
  dtype,
}: NodeOf<"reduce">): boolean {
  if (reduction !== "add" || (dtype !== "float32" && dtype !== "float64")) return false;
  const leading = axes.every((axis, i) => axis === i) && axes.length < x.shape.length;
  const rows = elementCount(x.shape.slice(0, axes.length));
  return leading && rows > 0 && rows <= MOST_ROWS && elementCount(shape) > 1;
}

/** Sizes up to which an axis is cut into its entries, and entries from which copying them is fast. */
const SHORT_AXIS = 8;
const LONG_ENTRY = 4;

/**
 * Whether short axes are reduced by an operation of their entries, as in pooling: onnxruntime is slow at reducing axes in
 * the middle, and its ReduceMax and ReduceMin skip NaN or not, by its place.
 */
function isOfShortAxes({ inputs: [x], parameters: { axes }, dtype }: NodeOf<"reduce">): boolean {
  if (dtype !== "float32" && dtype !== "float64") return false;
  const short = axes.every((axis) => x.shape[axis] > 0 && x.shape[axis] <= SHORT_AXIS);
  const last = axes[axes.length - 1];
  return short && elementCount(x.shape.slice(last + 1)) >= LONG_ENTRY;
}

const COMBINED: Readonly<Record<Reduction, string>> = { add: "Add", mul: "Mul", min: "Min", max: "Max" };

function entriesCombined(
  lowering: Lowering,
  { inputs: [x], parameters: { reduction, axes }, shape }: NodeOf<"reduce">,
): string {
  const { emitter } = lowering;
  let result = lowering.name(x);
  for (const axis of axes) {
    const size = x.shape[axis];
    if (size === 1) continue;
    const entries = emitter.multi("Split", [result], size, { axis, num_outputs: size });
    result = entries.reduce((a, b) => emitter.op(COMBINED[reduction], [a, b]));
  }
  const units = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  return lowering.reshape(result, units, shape);
}

const reduce: Lower<"reduce"> = (lowering, node) => {
  if (isColumnSum(node)) return columnSums(lowering, node);
  if (isOfShortAxes(node)) return entriesCombined(lowering, node);
  const {
    inputs: [x],
    parameters: { reduction, axes },
    dtype,
  } = node;
  const name = lowering.name(x);
  if (dtype === "bool") {
    const any = reduced(lowering, OF_BOOLEANS[reduction], lowering.cast(name, "int32"), axes);
    return lowering.cast(any, "bool");
  }
  if (reduction === "mul" && (dtype === "int32" || dtype === "uint32"))
    return wrappedProduct(lowering, x, axes);
  if (dtype === "int32" || dtype === "uint32") {
    // onnxruntime's sums of int32 saturate instead of wrapping around, and uint32 it does not reduce at all.
    return lowering.cast(reduced(lowering, reduction, lowering.cast(name, "int64"), axes), dtype);
  }
  const result = reduced(lowering, reduction, name, axes);
  const ordered = reduction === "min" || reduction === "max";
  return ordered && dtype.startsWith("float") && !isEmpty(x)
    ? withNaN(lowering, name, result, axes, dtype)
    : result;
};

/** A product of integers that wraps around, as onnxruntime's ReduceProd does not: halves are multiplied until one is left. */
function wrappedProduct(lowering: Lowering, x: Node, axes: readonly number[]): string {
  const { emitter } = lowering;
  const kept = x.shape.flatMap((_, axis) => (axes.includes(axis) ? [] : [axis]));
  const shape = kept.map((axis) => x.shape[axis]);
  const count = elementCount(shape);
  const reduced = axes.reduce((product, axis) => product * x.shape[axis], 1);
  let size = 1;
  while (size < reduced) size *= 2;
  const moved = transposed(lowering, lowering.name(x), x.shape, [...axes, ...kept]);
  const rows = lowering.reshape(moved, [...axes.map((axis) => x.shape[axis]), ...shape], [reduced, count]);
  const pads = emitter.integers([0, 0, size - reduced, 0]);
  let product = emitter.op("Pad", [rows, pads, emitter.scalar(1, x.dtype)]);
  for (; size > 1; size /= 2) {
    product = emitter.op("Mul", emitter.multi("Split", [product], 2, { axis: 0, num_outputs: 2 }));
  }
  return lowering.reshape(product, [1, count], shape);
}

function reduced(lowering: Lowering, reduction: Reduction, name: string, axes: readonly number[]): string {
  const { emitter } = lowering;
  return emitter.op(OPERATORS[reduction], [name, emitter.integers(axes)], { keepdims: 0 });
}

/** onnxruntime's ReduceMax and ReduceMin skip NaN or not, by its place; jax-js gives NaN. */
function withNaN(
  lowering: Lowering,
  name: string,
  result: string,
  axes: readonly number[],
  dtype: ElementType,
): string {
  const { emitter } = lowering;
  const flags = lowering.cast(emitter.op("IsNaN", [name]), "int32");
  const any = lowering.cast(reduced(lowering, "max", flags, axes), "bool");
  return emitter.op("Where", [any, emitter.scalar(Number.NaN, dtype), result]);
}

export const REDUCTION: Lowerings = { reduce };
