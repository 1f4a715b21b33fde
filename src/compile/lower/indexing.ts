import { broadcastShapes, elementCount, type Node, type Shape } from "../graph.ts";
import { filled } from "./emitter.ts";
import type { Lower, Lowering, Lowerings } from "./lowering.ts";
import { transposed } from "./transposition.ts";

const range = (start: number, end: number) => Array.from({ length: end - start }, (_, i) => start + i);

/** [0 … rank) with `axes` moved to the front, in the order given. */
function inFront(axes: readonly number[], rank: number): number[] {
  return [...axes, ...range(0, rank).filter((axis) => !axes.includes(axis))];
}

/** From [...index axes, ...others] to the index axes at `outDim`. */
function indexAxesAt(outDim: number, indexRank: number, rank: number): number[] {
  const others = range(indexRank, rank);
  return [...others.slice(0, outDim), ...range(0, indexRank), ...others.slice(outDim)];
}

function inverse(permutation: readonly number[]): number[] {
  return range(0, permutation.length).map((axis) => permutation.indexOf(axis));
}

function permuted(lowering: Lowering, name: string, permutation: readonly number[]): string {
  const moves = permutation.some((axis, i) => axis !== i);
  return moves ? lowering.emitter.op("Transpose", [name], { perm: permutation }) : name;
}

/** One index into the flattened indexed axes, int64, of the indices' common shape. */
function flatIndex(lowering: Lowering, indices: readonly Node[], sizes: readonly number[]): string {
  const { emitter } = lowering;
  const constant = (value: number) =>
    emitter.sharedTensor(`int64 scalar ${value}`, "int64", [], () => BigInt64Array.of(BigInt(value)));
  return indices
    .map((index) => lowering.cast(lowering.name(index), "int64"))
    .reduce((flat, index, i) => emitter.op("Add", [emitter.op("Mul", [flat, constant(sizes[i])]), index]));
}

/**
 * The axis along which an array of indices counts: a constant 0, 1, 2, … along one axis and repeated along the others, of
 * an index shape of `rank` axes.
 */
function countedAxis(index: Node, rank: number): number | undefined {
  const source = index.op === "expand" || index.op === "reshape" ? index.inputs[0] : index;
  const wide = index.op === "expand" ? source.shape : index.shape;
  const axes = wide.flatMap((size, axis) => (size === 1 ? [] : [axis]));
  if (axes.length !== 1) return undefined;
  const constant = source.op === "reshape" ? source.inputs[0] : source;
  if (constant.op !== "constant" || !constant.parameters.data.every((value, i) => value === i))
    return undefined;
  return rank - wide.length + axes[0];
}

/** The one axis that indices choose along while every other axis keeps its place, as when sorting along it. */
function axisAlong(indices: readonly Node[], axes: readonly number[], operand: Shape): number | undefined {
  if (axes.length !== operand.length || axes.some((axis, i) => axis !== i)) return undefined;
  const shape = broadcastShapes(indices.map((index) => index.shape));
  if (shape.length !== operand.length) return undefined;
  const chosen = indices.flatMap((index, axis) =>
    operand[axis] === 1 || countedAxis(index, shape.length) === axis ? [] : [axis],
  );
  const [along, ...others] = chosen.length === 0 ? [operand.length - 1] : chosen;
  const kept = shape.every((size, axis) => axis === along || size === operand[axis]);
  return others.length === 0 && kept ? along : undefined;
}

/** Indices of a common shape, repeated to it. */
function repeated(lowering: Lowering, index: Node, shape: Shape): string {
  const name = lowering.cast(lowering.name(index), "int64");
  const same = index.shape.length === shape.length && index.shape.every((size, axis) => size === shape[axis]);
  return same ? name : lowering.emitter.op("Expand", [name, lowering.emitter.integers(shape)]);
}

const gather: Lower<"gather"> = (lowering, { inputs: [x, ...indices], parameters: { axes, outDim } }) => {
  const { emitter } = lowering;
  const name = lowering.name(x);
  const along = axisAlong(indices, axes, x.shape);
  if (along !== undefined) {
    const shape = broadcastShapes(indices.map((index) => index.shape));
    return emitter.op("GatherElements", [name, repeated(lowering, indices[along], shape)], { axis: along });
  }
  const indexRank = Math.max(...indices.map((index) => index.shape.length));
  const rank = x.shape.length - axes.length + indexRank;
  if (axes.length === 1) {
    const [axis] = axes;
    const gathered = emitter.op("Gather", [name, lowering.cast(lowering.name(indices[0]), "int64")], {
      axis,
    });
    // The index axes are where the indexed axis was.
    const front = inFront(range(axis, axis + indexRank), rank);
    const order = indexAxesAt(outDim, indexRank, rank).map((i) => front[i]);
    return permuted(lowering, gathered, order);
  }
  const order = inFront(axes, x.shape.length);
  const moved = transposed(lowering, name, x.shape, order);
  const sizes = axes.map((axis) => x.shape[axis]);
  const rest = order.slice(axes.length).map((axis) => x.shape[axis]);
  const flat = lowering.reshape(moved, [...sizes, ...rest], [elementCount(sizes), ...rest]);
  const gathered = emitter.op("Gather", [flat, flatIndex(lowering, indices, sizes)], { axis: 0 });
  return permuted(lowering, gathered, indexAxesAt(outDim, indexRank, rank));
};

/** Rows up to which adding into them is faster as a product with a matrix of zeros and ones. */
const MOST_ROWS_OF_PRODUCT = 1024;

const scatter: Lower<"scatter"> = (lowering, { inputs: [updates, ...indices], parameters, shape, dtype }) => {
  const { emitter } = lowering;
  const { axes, outDim, accumulate, unique } = parameters;
  const along = unique || accumulate ? axisAlong(indices, axes, shape) : undefined;
  const common = broadcastShapes(indices.map((index) => index.shape));
  if (along !== undefined && dtype !== "bool") {
    const places = repeated(lowering, indices[along], common);
    const operands = [zeros(lowering, shape, dtype), places, lowering.name(updates)];
    return emitter.op("ScatterElements", operands, { axis: along, ...(unique ? {} : { reduction: "add" }) });
  }
  const order = inFront(axes, shape.length);
  const sizes = axes.map((axis) => shape[axis]);
  const rest = order.slice(axes.length).map((axis) => shape[axis]);
  const rows = elementCount(sizes);
  const count = elementCount(common);
  const rank = updates.shape.length;
  const front = transposed(
    lowering,
    lowering.name(updates),
    updates.shape,
    inverse(indexAxesAt(outDim, common.length, rank)),
  );
  const flat = lowering.reshape(front, [...common, ...rest], [count, elementCount(rest)]);
  const places = repeatedName(lowering, flatIndex(lowering, indices, sizes), common);
  const index = lowering.reshape(places, common, [count]);
  const added = scatterRows(lowering, {
    flat,
    index,
    rows,
    columns: elementCount(rest),
    dtype,
    accumulate,
    unique,
  });
  const moved = lowering.reshape(added, [rows, elementCount(rest)], [...sizes, ...rest]);
  return permuted(lowering, moved, inverse(order));
};

function repeatedName(lowering: Lowering, name: string, shape: Shape): string {
  return lowering.emitter.op("Expand", [name, lowering.emitter.integers(shape)]);
}

interface Rows {
  /** [count, columns] */
  readonly flat: string;
  /** [count] */
  readonly index: string;
  readonly rows: number;
  readonly columns: number;
  readonly dtype: Node["dtype"];
  readonly accumulate: boolean;
  readonly unique: boolean;
}

/** Rows of updates put or added into [rows, columns] zeros. onnxruntime's adding ScatterND races on equal indices. */
function scatterRows(
  lowering: Lowering,
  { flat, index, rows, columns, dtype, accumulate, unique }: Rows,
): string {
  const { emitter } = lowering;
  const target = zeros(lowering, [rows, columns], dtype);
  if (unique) {
    const places = emitter.op("Unsqueeze", [index, emitter.integers([1])]);
    return emitter.op("ScatterND", [target, places, flat]);
  }
  if (accumulate && dtype === "float32" && rows <= MOST_ROWS_OF_PRODUCT) {
    const values = emitter.sharedTensor("zero and one", dtype, [2], () => Float32Array.of(0, 1));
    const hits = emitter.op("OneHot", [index, emitter.integers([rows]), values]);
    return emitter.op("Gemm", [hits, flat], { transA: 1 });
  }
  const type = dtype === "bool" ? "int32" : dtype;
  const column = emitter.op("Unsqueeze", [index, emitter.integers([1])]);
  const places = emitter.op("Expand", [column, emitter.integers([1, columns])]);
  const operands = type === dtype ? [target, flat] : [target, flat].map((name) => lowering.cast(name, type));
  const result = emitter.op("ScatterElements", [operands[0], places, operands[1]], {
    axis: 0,
    ...(accumulate ? { reduction: "add" } : {}),
  });
  return type === dtype ? result : lowering.cast(result, dtype);
}

function zeros(lowering: Lowering, shape: Shape, dtype: Node["dtype"]): string {
  const { emitter } = lowering;
  const unit = shape.map(() => 1);
  const zero = emitter.sharedTensor(`${dtype} ${unit} zeros`, dtype, unit, () => filled(unit, dtype, 0));
  return emitter.op("Expand", [zero, emitter.integers(shape)]);
}

export const INDEXING: Lowerings = { gather, scatter };
