import { type AxisPair, elementCount, type Node, type NodeOf, type Shape } from "../graph.ts";
import { type Lower, type Lowering, type Lowerings, unreshaped } from "./lowering.ts";
import { transposed } from "./transposition.ts";

/** One operand as the matrices of a product. */
interface Arrangement {
  /** How its axes move; undefined where they stay. */
  readonly permutation: readonly number[] | undefined;
  /** Whether the summed axes come before the operand's own; otherwise after. */
  readonly summedFirst: boolean;
  /** Elements that have to move. */
  readonly cost: number;
}

type Contraction = Pick<NodeOf<"contract">, "inputs" | "parameters">;

/** Axes of one operand: those shared with the other in the result, its own, and those summed over. */
interface Roles {
  readonly batch: readonly number[];
  readonly own: readonly number[];
  readonly summed: readonly number[];
}

const product = (shape: Shape, axes: readonly number[]) => axes.reduce((size, axis) => size * shape[axis], 1);

function rolesOf(node: Node, side: 0 | 1, batch: readonly AxisPair[], summed: readonly AxisPair[]): Roles {
  const shared = batch.map((pair) => pair[side]);
  const gone = summed.map((pair) => pair[side]);
  const own = node.shape.flatMap((_, axis) => (shared.includes(axis) || gone.includes(axis) ? [] : [axis]));
  return { batch: shared, own, summed: gone };
}

function inPlace(order: readonly number[]): boolean {
  return order.every((axis, i) => axis === i);
}

function arrangementOf(node: Node, { batch, own, summed }: Roles): Arrangement {
  const before = [...batch, ...summed, ...own];
  const after = [...batch, ...own, ...summed];
  if (inPlace(after)) return { permutation: undefined, summedFirst: false, cost: 0 };
  if (inPlace(before)) return { permutation: undefined, summedFirst: true, cost: 0 };
  // The last axis stays where it is if it can: whole runs of elements move then.
  const last = node.shape.length - 1;
  const summedFirst = own.at(-1) === last;
  return { permutation: summedFirst ? before : after, summedFirst, cost: elementCount(node.shape) };
}

/** A product of matrices [batch, rows, depth] and [batch, depth, columns], each possibly stored transposed. */
export interface MatrixProduct {
  readonly left: string;
  readonly right: string;
  readonly leftTransposed: boolean;
  readonly rightTransposed: boolean;
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly batch: number;
  /** Whether there are batch axes at all. */
  readonly batched: boolean;
  /** A constant factor of the operands. */
  readonly scale: number;
}

/** The order of the summed axes for which less has to be moved. */
function cheapest({ inputs: [left, right], parameters: { batch, summed } }: Contraction) {
  const orders = ([0, 1] as const).map((side) => {
    const pairs = summed.toSorted((a, b) => a[side] - b[side]);
    const roles = [rolesOf(left, 0, batch, pairs), rolesOf(right, 1, batch, pairs)] as const;
    const arranged = [arrangementOf(left, roles[0]), arrangementOf(right, roles[1])] as const;
    return { roles, arranged, cost: arranged[0].cost + arranged[1].cost };
  });
  return orders[1].cost < orders[0].cost ? orders[1] : orders[0];
}

/** Whether the summed axes come first in an operand. A vector is its own transposition: it is a row on either side. */
function summedFirst(arranged: readonly Arrangement[], sizes: readonly number[], side: number): boolean {
  return sizes[side] !== 1 && arranged[side].summedFirst;
}

/** A product with a vector as vᵀAᵀ: onnxruntime is faster at it than at Av, and rows are what vectors usually are. */
function vectorInFront(node: NodeOf<"contract">): Contraction {
  const [left, right] = node.inputs;
  const { batch, summed } = node.parameters;
  if (
    batch.length > 0 ||
    elementCount(right.shape) !==
      product(
        right.shape,
        summed.map(([, axis]) => axis),
      )
  ) {
    return node;
  }
  return { inputs: [right, left], parameters: { batch, summed: summed.map(([a, b]) => [b, a] as const) } };
}

/** Writes the operands of a contraction as matrices. */
export function matrixProduct(lowering: Lowering, contraction: NodeOf<"contract">): MatrixProduct {
  const node = vectorInFront(contraction);
  const { roles, arranged } = cheapest(node);
  const batched = roles[0].batch.length > 0;
  const batch = product(node.inputs[0].shape, roles[0].batch);
  const depth = product(node.inputs[0].shape, roles[0].summed);
  const sizes = node.inputs.map((input, side) => product(input.shape, roles[side].own));
  let scale = 1;
  const [left, right] = node.inputs.map((input, side) => {
    const { source, factor } = unscaled(input);
    scale *= factor;
    const { permutation } = arranged[side];
    const matrix = summedFirst(arranged, sizes, side) ? [depth, sizes[side]] : [sizes[side], depth];
    const shape = batched ? [batch, ...matrix] : matrix;
    if (permutation === undefined) return lowering.reshaped(source, shape);
    const shaped = lowering.reshaped(source, input.shape);
    const moved = permutation.map((axis) => input.shape[axis]);
    return lowering.reshape(transposed(lowering, shaped, input.shape, permutation), moved, shape);
  });
  return {
    left,
    right,
    leftTransposed: summedFirst(arranged, sizes, 0),
    rightTransposed: !summedFirst(arranged, sizes, 1),
    rows: sizes[0],
    columns: sizes[1],
    depth,
    batch,
    batched,
    scale,
  };
}

/** x and c of x·c with a constant c, seen through reshapes: the product's scale takes c. */
function unscaled(node: Node): { readonly source: Node; readonly factor: number } {
  const source = unreshaped(node);
  if (source.op === "mul" && source.inputs[1].op === "scalar" && source.dtype === "float32") {
    const factor = source.inputs[1].parameters.value;
    if (Number.isFinite(factor)) return { source: source.inputs[0], factor };
  }
  return { source: node, factor: 1 };
}

const isFloat = (node: Node) => node.dtype === "float32" || node.dtype === "float64";

/** Whether a contraction is one Gemm. */
export function isGemm(node: NodeOf<"contract">): boolean {
  return node.parameters.batch.length === 0 && isFloat(node);
}

/** Gemm's result scale·left·right + addend, [rows, columns]. */
export function gemm(lowering: Lowering, p: MatrixProduct, scale: number, addend?: string): string {
  const inputs = addend === undefined ? [p.left, p.right] : [p.left, p.right, addend];
  return lowering.emitter.op("Gemm", inputs, {
    ...(p.leftTransposed ? { transA: 1 } : {}),
    ...(p.rightTransposed ? { transB: 1 } : {}),
    ...(scale === 1 ? {} : { alpha: { kind: "float", value: scale } as const }),
  });
}

/** Columns below which a product of a transposed matrix is slow, and summed elements above which that weighs. */
const FEW_COLUMNS = 64;
const MANY_SUMMED = 512;

/** Whether AᵀB is faster as the transposition of BᵀA. */
function isFasterTurned({ leftTransposed, rightTransposed, rows, columns, depth }: MatrixProduct): boolean {
  const both = leftTransposed && !rightTransposed;
  return both && columns > 1 && columns < FEW_COLUMNS && columns < rows && depth >= MANY_SUMMED;
}

const contract: Lower<"contract"> = (lowering, node) => {
  const p = matrixProduct(lowering, node);
  if (!isGemm(node)) return batchedProduct(lowering, node, p);
  if (!isFasterTurned(p)) {
    return lowering.product(gemm(lowering, p, p.scale), [p.rows, p.columns], node.shape);
  }
  const product = gemm(lowering, { ...p, left: p.right, right: p.left }, p.scale);
  const back = lowering.emitter.op("Transpose", [product], { perm: [1, 0] });
  return lowering.reshape(back, [p.rows, p.columns], node.shape);
};

function batchedProduct(lowering: Lowering, node: NodeOf<"contract">, p: MatrixProduct): string {
  const result = node.dtype === "float32" ? fusedProduct(lowering, p) : plainProduct(lowering, p);
  const matrix = [p.rows, p.columns];
  return lowering.reshape(result, p.batched ? [p.batch, ...matrix] : matrix, node.shape);
}

/** By onnxruntime's own operator, which takes transposed matrices and a factor. */
function fusedProduct(lowering: Lowering, p: MatrixProduct): string {
  return lowering.emitter.own("FusedMatMul", [p.left, p.right], {
    ...(p.leftTransposed ? { transA: 1 } : {}),
    ...(p.rightTransposed ? { transB: 1 } : {}),
    ...(p.scale === 1 ? {} : { alpha: { kind: "float", value: p.scale } as const }),
  });
}

function plainProduct(lowering: Lowering, p: MatrixProduct): string {
  const { emitter } = lowering;
  const turn = (matrix: string) =>
    emitter.op("Transpose", [matrix], { perm: p.batched ? [0, 2, 1] : [1, 0] });
  const left = p.leftTransposed ? turn(p.left) : p.left;
  const right = p.rightTransposed ? turn(p.right) : p.right;
  return emitter.op("MatMul", [left, right]);
}

export const CONTRACTION: Lowerings = { contract };
