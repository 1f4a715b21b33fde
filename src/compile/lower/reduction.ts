import { elementCount, type NodeOf, type Reduction } from "../graph.ts";
import type { ElementType } from "../lowered.ts";
import { filled } from "./emitter.ts";
import type { Lower, Lowering, Lowerings } from "./lowering.ts";

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
  return lowering.reshapeFrom(sums, [1, columns], shape);
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

const reduce: Lower<"reduce"> = (lowering, node) => {
  if (isColumnSum(node)) return columnSums(lowering, node);
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
  if (dtype === "int32" || dtype === "uint32") {
    // onnxruntime's sums of int32 saturate instead of wrapping around, and uint32 it does not reduce at all.
    return lowering.cast(reduced(lowering, reduction, lowering.cast(name, "int64"), axes), dtype);
  }
  const result = reduced(lowering, reduction, name, axes);
  const ordered = reduction === "min" || reduction === "max";
  return ordered && dtype.startsWith("float") ? withNaN(lowering, name, result, axes, dtype) : result;
};

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
