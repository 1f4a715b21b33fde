import { type Array as JaxArray, type JsTreeDef, makeJaxpr, tree } from "@jax-js/jax";
import { ArrayType } from "./array-type.ts";
import { hostView } from "./element-types.ts";
import { ResultError } from "./errors.ts";
import {
  type BinaryOp,
  type Comparison,
  type Graph,
  type Node,
  NodeFactory,
  type Op,
  type Parameters,
  type Reduction,
  type Shape,
  type UnaryOp,
} from "./graph.ts";
import type { ElementType, LeafType } from "./lowered.ts";

/** A function as a graph, and the trees its arguments and results come in. */
export interface TracedFunction {
  readonly graph: Graph;
  /** One for each leaf of the arguments, in order. */
  readonly inputs: readonly LeafType[];
  /** One for each leaf of the result, in order. */
  readonly outputs: readonly LeafType[];
  /** Of the list of arguments. */
  readonly inTree: JsTreeDef;
  readonly outTree: JsTreeDef;
}

// What this file uses of jax-js's internals, which its types leave unnamed.
interface Atom {
  readonly aval: LeafType;
  /** Of a literal; a variable has none. */
  readonly value?: number | boolean;
}
interface Equation {
  readonly primitive: string;
  readonly inputs: readonly Atom[];
  readonly params: Readonly<Record<string, unknown>>;
  readonly outBinders: readonly Atom[];
}
interface Program {
  readonly inBinders: readonly Atom[];
  readonly eqns: readonly Equation[];
  readonly outs: readonly Atom[];
}

/**
 * Runs a function on symbols in the place of arrays and records what it computes, gradients included. Nested `jit`s are
 * opened up. Arrays that the function closes over are consumed, as by jax-js's `jit`: give it their `.ref`.
 * @param args example arguments: trees whose leaves are arrays, or `ArrayType`s that stand for them, or numbers.
 * @throws ResultError when the function returns something other than a tree of arrays and numbers; what the function throws.
 */
export function traceFunction(fn: (...args: never[]) => unknown, args: readonly unknown[]): TracedFunction {
  const [leaves, inTree] = tree.flatten(args as never) as [unknown[], JsTreeDef];
  const inputs = leaves.map(leafType);
  const checked = (...symbols: never[]) => checkedResult(fn(...symbols)) as JaxArray;
  const symbols = tree.unflatten(inTree, inputs as never) as unknown as unknown[];
  const { jaxpr, treedef } = makeJaxpr(checked as never)(...(symbols as never));
  const program = jaxpr.jaxpr.flatten().simplify() as unknown as Program;
  const translation = new Translation();
  const constants = jaxpr.consts.map((c) => translation.constant(c as unknown as JaxArray));
  const parameters = inputs.map(({ shape, dtype }, index) =>
    translation.factory.node("input", [], { index }, shape, dtype),
  );
  const outputs = translation.program(program, [...constants, ...parameters]);
  const types = outputs.map(({ shape, dtype }, i): LeafType => {
    return { shape, dtype, weakType: program.outs[i].aval.weakType === true };
  });
  return { graph: { outputs }, inputs, outputs: types, inTree, outTree: treedef as JsTreeDef };
}

function leafType(leaf: unknown): ArrayType {
  if (leaf instanceof ArrayType) return leaf;
  if (typeof leaf === "boolean") return new ArrayType([], "bool");
  if (typeof leaf === "number") return new ArrayType([], "float32", true);
  const { shape, dtype, weakType } = leaf as LeafType;
  return new ArrayType(shape, dtype, weakType);
}

function checkedResult(result: unknown): unknown {
  if (result instanceof Promise) {
    throw new ResultError(
      "compile: the function returned a promise; it must compute and return arrays at once",
    );
  }
  for (const leaf of tree.leaves(result as never) as unknown[]) {
    if (typeof leaf === "number" || typeof leaf === "boolean") continue;
    // Symbols and arrays, whose class jax-js keeps to itself.
    if (typeof leaf === "object" && leaf !== null && "aval" in leaf) continue;
    throw new ResultError(
      `compile: the function's result holds ${describe(leaf)}; it must be a tree (array, list or plain object) of arrays and numbers`,
    );
  }
  return result;
}

function describe(value: unknown): string {
  if (typeof value === "object" && value !== null)
    return `a ${value.constructor?.name ?? "null-prototype object"}`;
  return String(value);
}

/** An equation with its operands translated. */
interface Translated {
  readonly primitive: string;
  readonly inputs: readonly Node[];
  readonly params: Readonly<Record<string, unknown>>;
  readonly outputs: readonly LeafType[];
  /** jax-js's types of the operands, which say whether they are weak. */
  readonly types: readonly LeafType[];
}

/** Turns equations into nodes, with every change of dtype made explicit. */
class Translation {
  readonly factory = new NodeFactory();
  readonly #nodes = new Map<Atom, Node>();

  constant(array: JaxArray): Node {
    const { shape, dtype } = array;
    const data = array.dataSync();
    if (data.length > 0 && data.every((value: number) => Object.is(value, data[0]))) {
      return this.factory.filled(data[0], shape, dtype);
    }
    const copy = dtype === "bool" ? Uint8Array.from(data) : hostView(dtype, data.slice());
    return this.factory.node("constant", [], { data: copy }, shape, dtype);
  }

  program(program: Program, inputs: readonly Node[]): Node[] {
    for (const [i, binder] of program.inBinders.entries()) this.#nodes.set(binder, inputs[i]);
    for (const equation of program.eqns) {
      const results = this.#equation(equation);
      for (const [i, binder] of equation.outBinders.entries()) this.#nodes.set(binder, results[i]);
    }
    return program.outs.map((atom) => this.#read(atom));
  }

  #read(atom: Atom): Node {
    if (atom.value === undefined) return this.#nodes.get(atom)!;
    return this.factory.scalar(Number(atom.value), atom.aval.dtype);
  }

  #equation({ primitive, inputs, params, outBinders }: Equation): Node[] {
    const equation: Translated = {
      primitive,
      params,
      inputs: inputs.map((atom) => this.#read(atom)),
      outputs: outBinders.map((binder) => binder.aval),
      types: inputs.map((atom) => atom.aval),
    };
    const rule = RULES[primitive];
    if (rule !== undefined) return rule(this.factory, equation);
    return equation.outputs.map(({ shape, dtype }, output) =>
      this.factory.node("opaque", equation.inputs, { primitive, output }, shape, dtype),
    );
  }
}

type Rule = (factory: NodeFactory, equation: Translated) => Node[];

/** An operation whose operands take the result's dtype, and the parameters that it keeps. */
function plain<O extends Op>(
  op: O,
  parameters: (params: never, equation: Translated) => Parameters[O],
): Rule {
  return (factory, equation) => {
    const { inputs, params, outputs } = equation;
    const [{ shape, dtype }] = outputs;
    const operands = inputs.map((input) => factory.cast(input, dtype));
    return [factory.node(op, operands, parameters(params as never, equation), shape, dtype)];
  };
}

function elementwise(op: UnaryOp | BinaryOp): Rule {
  return plain(op, () => ({}));
}

/** An operation whose operands have dtypes of their own. */
function mixed<O extends Op>(op: O, parameters: (params: never) => Parameters[O]): Rule {
  return (factory, { inputs, params, outputs: [{ shape, dtype }] }) => [
    factory.node(op, inputs, parameters(params as never), shape, dtype),
  ];
}

const COMPARISONS: Readonly<Record<string, Comparison>> = {
  less: "less",
  less_equal: "lessOrEqual",
  equal: "equal",
  not_equal: "notEqual",
};

/** Order of promotion; a weak operand takes the other's dtype, except that bool becomes uint32. */
const PROMOTION: readonly ElementType[] = ["bool", "uint32", "int32", "float16", "float32", "float64"];

function promoted(a: LeafType, b: LeafType): ElementType {
  const weak = a.weakType === true ? 1 : 0;
  if (weak !== (b.weakType === true ? 1 : 0)) return higher(weak ? b.dtype : a.dtype, "uint32");
  return higher(a.dtype, b.dtype);
}

function higher(a: ElementType, b: ElementType): ElementType {
  return PROMOTION.indexOf(a) > PROMOTION.indexOf(b) ? a : b;
}

const compare: Rule = (factory, { inputs, params, outputs: [{ shape }], types: [a, b] }) => {
  const dtype = promoted(a, b);
  const operands = inputs.map((input) => factory.cast(input, dtype));
  return [factory.node("compare", operands, { comparison: COMPARISONS[params.op as string] }, shape, "bool")];
};

const where: Rule = (factory, { inputs: [condition, x, y], outputs: [{ shape, dtype }] }) => [
  factory.node("where", [condition, factory.cast(x, dtype), factory.cast(y, dtype)], {}, shape, dtype),
];

const broadcast: Rule = (factory, { inputs: [x], params, outputs: [{ shape }] }) => {
  const unit = [...x.shape];
  for (const axis of params.axis as number[]) unit.splice(axis, 0, 1);
  return [factory.expand(factory.reshape(x, unit), shape)];
};

function slice(factory: NodeFactory, x: Node, starts: readonly number[], shape: Shape): Node {
  return factory.node("slice", [x], { starts, steps: starts.map(() => 1) }, shape, x.dtype);
}

const split: Rule = (factory, { inputs: [x], params, outputs }) => {
  let start = 0;
  return outputs.map(({ shape }) => {
    const starts = shape.map((_, axis) => (axis === params.axis ? start : 0));
    start += shape[params.axis as number];
    return slice(factory, x, starts, shape);
  });
};

const flip: Rule = (factory, { inputs: [x], params }) => {
  const flipped = (axis: number) => (params.axis as number[]).includes(axis);
  const starts = x.shape.map((size, axis) => (flipped(axis) ? size - 1 : 0));
  const steps = x.shape.map((_, axis) => (flipped(axis) ? -1 : 1));
  return [factory.node("slice", [x], { starts, steps }, x.shape, x.dtype)];
};

const argsort: Rule = (factory, { inputs: [x] }) => [
  factory.node("sort", [x], {}, x.shape, x.dtype),
  factory.node("argsort", [x], {}, x.shape, "int32"),
];

/** What each of jax-js's primitives becomes. */
const RULES: Readonly<Record<string, Rule>> = {
  add: elementwise("add"),
  mul: elementwise("mul"),
  idiv: elementwise("idiv"),
  mod: elementwise("mod"),
  min: elementwise("min"),
  max: elementwise("max"),
  neg: elementwise("neg"),
  reciprocal: elementwise("reciprocal"),
  floor: elementwise("floor"),
  ceil: elementwise("ceil"),
  sin: elementwise("sin"),
  cos: elementwise("cos"),
  asin: elementwise("asin"),
  atan: elementwise("atan"),
  exp: elementwise("exp"),
  log: elementwise("log"),
  erf: elementwise("erf"),
  erfc: elementwise("erfc"),
  sqrt: elementwise("sqrt"),
  stop_gradient: (_, { inputs }) => [...inputs],
  cast: (factory, { inputs: [x], outputs: [{ dtype }] }) => [factory.cast(x, dtype)],
  bitcast: mixed("bitcast", () => ({})),
  bit_combine: plain("bitCombine", ({ op }: { op: "and" | "or" | "xor" }) => ({ operation: op })),
  bit_shift: mixed("bitShift", ({ op }: { op: "shl" | "shr" }) => ({ direction: op })),
  bit_count: mixed("bitCount", () => ({})),
  compare,
  where,
  reduce: plain("reduce", ({ op, axis }: { op: string; axis: number[] }) => ({
    reduction: op.toLowerCase() as Reduction,
    axes: axis,
  })),
  dot: plain("dot", () => ({})),
  conv: plain(
    "conv",
    ({ vmapDims, ...rest }: Omit<Parameters["conv"], "batchDims"> & { vmapDims: number }) => ({
      ...rest,
      batchDims: vmapDims,
    }),
  ),
  pool: plain("pool", ({ window, strides }: Parameters["pool"]) => ({ window, strides })),
  pool_transpose: plain("poolTranspose", ({ window, strides }: Parameters["pool"]) => ({ window, strides })),
  concatenate: plain("concatenate", ({ axis }: { axis: number }) => ({ axis })),
  split,
  shrink: (factory, { inputs: [x], params, outputs: [{ shape }] }) => [
    slice(
      factory,
      x,
      (params.slice as [number, number][]).map(([start]) => start),
      shape,
    ),
  ],
  flip,
  pad: plain("pad", ({ width }: { width: [number, number][] }) => ({ widths: width })),
  gather: mixed("gather", ({ axis, outDim }: { axis: number[]; outDim: number }) => ({ axes: axis, outDim })),
  scatter: mixed("scatter", (p: { axis: number[]; outDim: number; op: string; uniqueIndices: boolean }) => ({
    axes: p.axis,
    outDim: p.outDim,
    accumulate: p.op === "add",
    unique: p.uniqueIndices,
  })),
  transpose: plain("transpose", ({ perm }: { perm: number[] }) => ({ permutation: perm })),
  reshape: (factory, { inputs: [x], outputs: [{ shape }] }) => [factory.reshape(x, shape)],
  broadcast,
  sort: plain("sort", () => ({})),
  argsort,
  random_bits: mixed("randomBits", ({ mode }: Parameters["randomBits"]) => ({ mode })),
};
