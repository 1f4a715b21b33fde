import {
  type BinaryOp,
  broadcastShapes,
  type Node,
  NodeFactory,
  type NodeOf,
  type Op,
  type Parameters,
  type Reduction,
  type Shape,
  type UnaryOp,
} from "../graph.ts";
import type { ElementType } from "../lowered.ts";

/** A better node that computes the same as one that is about to be made, or nothing. */
export type Rule<O extends Op> = (build: Builder, node: NodeOf<O>) => Node | undefined;

/** Rules by operation, tried in order. */
export type Rules = { readonly [O in Op]?: readonly Rule<O>[] };

/**
 * Rules answer by asking for other nodes, to which rules apply again. Chains of more than a few answers do not occur in
 * practice; where two rules undo each other, the node is taken as it is at this depth.
 */
const DEEPEST = 64;

/**
 * Makes nodes that are as simple as the rules know how: every operation asked for is first offered to the rules of its
 * kind, which look at its operands and may answer with something else, made the same way.
 */
export class Builder extends NodeFactory {
  readonly #rules: Rules;
  #depth = 0;

  constructor(rules: Rules) {
    super();
    this.#rules = rules;
  }

  override node<O extends Op>(
    op: O,
    inputs: readonly Node[],
    parameters: Parameters[O],
    shape: Shape,
    dtype: ElementType,
  ): Node {
    const candidate = { id: -1, op, inputs, parameters, shape, dtype } as NodeOf<O>;
    return this.#better(candidate) ?? super.node(op, inputs, parameters, shape, dtype);
  }

  #better<O extends Op>(candidate: NodeOf<O>): Node | undefined {
    if (this.#depth === DEEPEST) return undefined;
    this.#depth++;
    try {
      for (const rule of (this.#rules[candidate.op] ?? []) as readonly Rule<O>[]) {
        const better = rule(this, candidate);
        if (better !== undefined) return better;
      }
      return undefined;
    } finally {
      this.#depth--;
    }
  }

  unary(op: UnaryOp, x: Node): Node {
    return this.node(op, [x], {}, x.shape, x.dtype);
  }

  binary(op: BinaryOp, x: Node, y: Node): Node {
    return this.node(op, [x, y], {}, broadcastShapes([x.shape, y.shape]), x.dtype);
  }

  add(x: Node, y: Node): Node {
    return this.binary("add", x, y);
  }

  sub(x: Node, y: Node): Node {
    return this.binary("sub", x, y);
  }

  mul(x: Node, y: Node): Node {
    return this.binary("mul", x, y);
  }

  div(x: Node, y: Node): Node {
    return this.binary("div", x, y);
  }

  neg(x: Node): Node {
    return this.unary("neg", x);
  }

  where(condition: Node, x: Node, y: Node): Node {
    return this.node(
      "where",
      [condition, x, y],
      {},
      broadcastShapes([condition.shape, x.shape, y.shape]),
      x.dtype,
    );
  }

  reduce(reduction: Reduction, x: Node, axes: readonly number[]): Node {
    const shape = x.shape.filter((_, axis) => !axes.includes(axis));
    return this.node("reduce", [x], { reduction, axes }, shape, x.dtype);
  }

  transpose(x: Node, permutation: readonly number[]): Node {
    return this.node(
      "transpose",
      [x],
      { permutation },
      permutation.map((axis) => x.shape[axis]),
      x.dtype,
    );
  }

  /** A transposition that is done where it stands: no rule moves it. */
  arrange(x: Node, permutation: readonly number[]): Node {
    return this.node(
      "arrange",
      [x],
      { permutation },
      permutation.map((axis) => x.shape[axis]),
      x.dtype,
    );
  }

  /** A block of an array, one [start, size] for each axis. */
  block(x: Node, ranges: readonly (readonly [number, number])[]): Node {
    const starts = ranges.map(([start]) => start);
    return this.node(
      "slice",
      [x],
      { starts, steps: starts.map(() => 1) },
      ranges.map(([, size]) => size),
      x.dtype,
    );
  }

  concatenate(parts: readonly Node[], axis: number): Node {
    const total = parts.reduce((sum, part) => sum + part.shape[axis], 0);
    return this.node("concatenate", parts, { axis }, parts[0].shape.with(axis, total), parts[0].dtype);
  }
}

/** Whether a node is the constant of rank 0 with this value. */
export function isScalar(node: Node, value: number): boolean {
  return node.op === "scalar" && node.parameters.value === value;
}
