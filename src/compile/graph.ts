import type { HostData } from "./element-types.ts";
import type { ElementType } from "./lowered.ts";

export type Shape = readonly number[];

export type Reduction = "add" | "mul" | "min" | "max";

export type Comparison = "less" | "lessOrEqual" | "equal" | "notEqual";

/** Places along an axis, −1 for a zero instead. Tables of one key are equal. */
export class IndexTable {
  readonly key: string;
  readonly shape: Shape;
  readonly indices: Int32Array;

  constructor(key: string, shape: Shape, indices: Int32Array) {
    this.key = key;
    this.shape = shape;
    this.indices = indices;
  }

  toJSON(): string {
    return this.key;
  }
}

/** How a convolution moves over its operands; jax-js's, one entry per spatial axis. */
export interface ConvParameters {
  /** Leading axes of both operands that pair up (groups, or a vmap); they broadcast. */
  readonly batchDims: number;
  readonly strides: readonly number[];
  /** Zeros before and after the dilated input; negative ones crop. */
  readonly padding: readonly (readonly [number, number])[];
  readonly lhsDilation: readonly number[];
  readonly rhsDilation: readonly number[];
}

/** Axes of the left and of the right operand that run together. */
export type AxisPair = readonly [number, number];

export interface ContractParameters {
  /** Pairs that stay in the result. */
  readonly batch: readonly AxisPair[];
  /** Pairs that are summed over. */
  readonly summed: readonly AxisPair[];
}

interface NoParameters {
  readonly [parameter: string]: never;
}

/** Operations of one argument, element by element. */
export const UNARY = [
  "neg",
  "reciprocal",
  "floor",
  "ceil",
  "sin",
  "cos",
  "asin",
  "atan",
  "exp",
  "log",
  "erf",
  "erfc",
  "sqrt",
  "bitCount",
  "tanh",
  "sigmoid",
  "softplus",
  "relu",
  "abs",
  "not",
] as const;

/** Operations of two arguments of one dtype, element by element, broadcasting as NumPy does. */
export const BINARY = ["add", "sub", "mul", "div", "idiv", "mod", "min", "max"] as const;

export type UnaryOp = (typeof UNARY)[number];
export type BinaryOp = (typeof BINARY)[number];

/** The operations of the graph and what each takes beside its operands. The result's shape and dtype are the node's. */
export interface Parameters extends Record<UnaryOp | BinaryOp, NoParameters> {
  /** An argument of the function. */
  input: { readonly index: number };
  /** Row-major elements. */
  constant: { readonly data: HostData };
  /** A constant of rank 0. */
  scalar: { readonly value: number };
  compare: { readonly comparison: Comparison };
  bitCombine: { readonly operation: "and" | "or" | "xor" };
  bitShift: { readonly direction: "shl" | "shr" };
  /** Operands: condition, then, else; they broadcast. */
  where: NoParameters;
  /** x, or slope·x where x < 0. */
  leakyRelu: { readonly slope: number };
  clip: { readonly low: number; readonly high: number };
  cast: NoParameters;
  bitcast: NoParameters;
  reduce: { readonly reduction: Reduction; readonly axes: readonly number[] };
  /** Sum over the last axis of the product of two broadcasting operands. */
  dot: NoParameters;
  /** Sum of products over pairs of axes; the result has the batch axes, then the left's others, then the right's others. */
  contract: ContractParameters;
  /** Input […batch, N, C, …] with kernel […batch, O, C, …]. */
  conv: ConvParameters;
  /** Input [N, groups·C, …] with kernel [groups·O, C, …], by the runtime's own operator; no padding is negative. */
  groupedConv: {
    readonly groups: number;
    readonly strides: readonly number[];
    readonly padding: readonly (readonly [number, number])[];
    readonly dilations: readonly number[];
  };
  /** Windows over the last axes: […, ...out, ...window]. */
  pool: { readonly window: readonly number[]; readonly strides: readonly number[] };
  /** The adjoint of `pool`: overlapping windows add. */
  poolTranspose: { readonly window: readonly number[]; readonly strides: readonly number[] };
  concatenate: { readonly axis: number };
  /** Elements starts[i] + k·steps[i], as many as the node's shape says; steps may be −1. */
  slice: { readonly starts: readonly number[]; readonly steps: readonly number[] };
  /** Zeros before and after each axis; negative ones crop. */
  pad: { readonly widths: readonly (readonly [number, number])[] };
  /** Elements at fixed places along an axis, which the table's axes replace. */
  take: { readonly axis: number; readonly table: IndexTable };
  /** Operand, then indices (broadcast together) of `axes`; the index axes come at `outDim`. */
  gather: { readonly axes: readonly number[]; readonly outDim: number };
  /**
   * Updates, then indices: the adjoint of `gather`, into zeros. Where indices are equal the updates add, or the last one
   * stays; `unique` promises that none are.
   */
  scatter: {
    readonly axes: readonly number[];
    readonly outDim: number;
    readonly accumulate: boolean;
    readonly unique: boolean;
  };
  transpose: { readonly permutation: readonly number[] };
  /** A transposition that stays where it is. */
  arrange: { readonly permutation: readonly number[] };
  reshape: NoParameters;
  /** Repeats axes of size 1; the operand has the result's rank. */
  expand: NoParameters;
  /** Sorts along the last axis, NaN last. */
  sort: NoParameters;
  /** The stable order of `sort`, int32. */
  argsort: NoParameters;
  /** Threefry-2x32 of two keys; both words combined, or one of them. */
  randomBits: { readonly mode: "xor" | 0 | 1 };
  /** A primitive without lowering: an error if the result needs it. */
  opaque: { readonly primitive: string; readonly output: number };
}

export type Op = keyof Parameters;

/** One operation of one result. Nodes of a graph are shared: equal ones are the same object. */
export interface NodeOf<O extends Op> {
  /** Increases along the edges: operands have smaller ids. */
  readonly id: number;
  readonly op: O;
  readonly inputs: readonly Node[];
  readonly parameters: Parameters[O];
  readonly shape: Shape;
  readonly dtype: ElementType;
}

/** A node of any operation; `op` tells which. */
export type Node = { [O in Op]: NodeOf<O> }[Op];

/** What to compute: the nodes that `outputs` reach. */
export interface Graph {
  readonly outputs: readonly Node[];
}

/** Makes nodes, and hands out the same node for the same operation of the same operands. */
export class NodeFactory {
  readonly #known = new Map<string, Node>();
  #next = 0;

  node<O extends Op>(
    op: O,
    inputs: readonly Node[],
    parameters: Parameters[O],
    shape: Shape,
    dtype: ElementType,
  ): Node {
    const key = keyOf(op, inputs, parameters, shape, dtype);
    const known = key === undefined ? undefined : this.#known.get(key);
    if (known !== undefined) return known;
    const made = { id: this.#next++, op, inputs, parameters, shape, dtype } as unknown as Node;
    if (key !== undefined) this.#known.set(key, made);
    return made;
  }

  /** The node for an operation, if there is one already. */
  known<O extends Op>(
    op: O,
    inputs: readonly Node[],
    parameters: Parameters[O],
    shape: Shape,
    dtype: ElementType,
  ): Node | undefined {
    const key = keyOf(op, inputs, parameters, shape, dtype);
    return key === undefined ? undefined : this.#known.get(key);
  }

  /** A constant of rank 0, rounded to its dtype. */
  scalar(value: number, dtype: ElementType): Node {
    return this.node("scalar", [], { value: roundedTo(value, dtype) }, [], dtype);
  }

  /** One value in every place. */
  filled(value: number, shape: Shape, dtype: ElementType): Node {
    const unit = shape.map(() => 1);
    return this.expand(this.reshape(this.scalar(value, dtype), unit), shape);
  }

  /** The same values in another dtype. */
  cast(x: Node, dtype: ElementType): Node {
    if (x.dtype === dtype) return x;
    if (x.op === "scalar") return this.scalar(x.parameters.value, dtype);
    return this.node("cast", [x], {}, x.shape, dtype);
  }

  /** The same elements, row-major, in another shape. */
  reshape(x: Node, shape: Shape): Node {
    return sameShape(x.shape, shape) ? x : this.node("reshape", [x], {}, shape, x.dtype);
  }

  /** Axes of size 1 repeated to a shape of the same rank. */
  expand(x: Node, shape: Shape): Node {
    return sameShape(x.shape, shape) ? x : this.node("expand", [x], {}, shape, x.dtype);
  }
}

/** A number as a dtype holds it: casts truncate and saturate. */
export function roundedTo(value: number, dtype: ElementType): number {
  switch (dtype) {
    case "bool":
      return value === 0 ? 0 : 1;
    case "int32":
      return Math.trunc(Math.min(Math.max(value, -(2 ** 31)), 2 ** 31 - 1)) || 0;
    case "uint32":
      return Math.trunc(Math.min(Math.max(value, 0), 2 ** 32 - 1)) || 0;
    case "float32":
      return Math.fround(value);
    default:
      return value;
  }
}

/** Elements up to which equal constants are found to be equal; larger ones are told apart by identity. */
const COMPARED_ELEMENTS = 1024;

function keyOf(
  op: Op,
  inputs: readonly Node[],
  parameters: object,
  shape: Shape,
  dtype: string,
): string | undefined {
  const own = parametersKey(op, parameters);
  if (own === undefined) return undefined;
  return `${op}|${inputs.map((node) => node.id).join()}|${own}|${shape.join()}|${dtype}`;
}

function parametersKey(op: Op, parameters: object): string | undefined {
  if (op === "constant") {
    const { data } = parameters as Parameters["constant"];
    return data.length > COMPARED_ELEMENTS ? undefined : Array.from(data, numberKey).join();
  }
  // JSON has no −0 and no non-finite numbers.
  return op === "scalar" ? numberKey((parameters as Parameters["scalar"]).value) : JSON.stringify(parameters);
}

function numberKey(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

/** The nodes that the outputs reach, operands before what uses them. */
export function topological(outputs: readonly Node[]): Node[] {
  const seen = new Set<Node>();
  const pending = [...outputs];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    pending.push(...node.inputs);
  }
  return [...seen].sort((a, b) => a.id - b.id);
}

export function elementCount(shape: Shape): number {
  return shape.reduce((count, size) => count * size, 1);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/** The shape of an elementwise operation's result, by NumPy's rule; the operands are known to fit. */
export function broadcastShapes(shapes: readonly Shape[]): Shape {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1);
    return sizes.find((size) => size !== 1) ?? 1;
  });
}
