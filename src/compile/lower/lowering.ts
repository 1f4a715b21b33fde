import {
  elementCount,
  type Graph,
  type Node,
  type NodeOf,
  type Op,
  type Shape,
  sameShape,
} from "../graph.ts";
import type { ElementType } from "../lowered.ts";
import { useCounts } from "../simplify/rebuild.ts";
import { Emitter } from "./emitter.ts";

/** How nodes of one operation are written in ONNX: gives the name of the result. */
export type Lower<O extends Op> = (lowering: Lowering, node: NodeOf<O>) => string;

export type Lowerings = { readonly [O in Op]?: Lower<O> };

/** TensorProto.DataType of element types, and of int64. */
const TYPE_CODES = { float32: 1, int32: 6, int64: 7, bool: 9, float16: 10, float64: 11, uint32: 12 } as const;

interface Shaped {
  readonly name: string;
  readonly shape: Shape;
}

function withLeadingAxes(shape: Shape, rank: number): Shape {
  return [...new Array<number>(Math.max(rank - shape.length, 0)).fill(1), ...shape];
}

/** A graph on its way to ONNX. */
export class Lowering {
  readonly emitter = new Emitter();
  readonly #names = new Map<Node, string>();
  readonly #uses: ReadonlyMap<Node, number>;
  /** What the results of Reshape were before. */
  readonly #reshapes = new Map<string, Shaped>();
  /** What products were before they lost axes of size 1 in front. */
  readonly #rows = new Map<string, Shaped>();

  constructor(graph: Graph) {
    this.#uses = useCounts(graph);
  }

  /** The ONNX name of a node lowered before. */
  name(node: Node): string {
    return this.#names.get(node)!;
  }

  names(nodes: readonly Node[]): string[] {
    return nodes.map((node) => this.name(node));
  }

  /** A node's elements in whatever shape they come in. */
  elements(node: Node): string {
    const name = this.name(unreshaped(node));
    return this.#reshapes.get(name)?.name ?? name;
  }

  setName(node: Node, name: string): void {
    this.#names.set(node, name);
  }

  /** Whether one node alone takes this one, once. */
  usedOnce(node: Node): boolean {
    return this.#uses.get(node) === 1;
  }

  /** A node's elements in another shape, without a chain of reshapes. */
  reshaped(node: Node, shape: Shape): string {
    const source = unreshaped(node);
    if (sameShape(source.shape, shape)) return this.name(source);
    return this.#entry(source, shape) ?? this.reshape(this.name(source), source.shape, shape);
  }

  /** One entry along an axis that then goes: one operation instead of two, for the steps of a sequence. */
  #entry(source: Node, shape: Shape): string | undefined {
    if (source.op !== "slice") return undefined;
    const [whole] = source.inputs;
    const axis = whole.shape.findIndex((size, i) => size !== source.shape[i]);
    if (axis === -1 || !sameShape(whole.shape.toSpliced(axis, 1), shape)) return undefined;
    const { starts, steps } = source.parameters;
    if (source.shape[axis] !== 1 || steps.some((step) => step !== 1)) return undefined;
    const index = this.emitter.sharedTensor(`int64 scalar ${starts[axis]}`, "int64", [], () =>
      BigInt64Array.of(BigInt(starts[axis])),
    );
    return this.emitter.op("Gather", [this.name(whole), index], { axis });
  }

  /** A result of one shape in another, without a chain of reshapes. */
  reshape(name: string, from: Shape, to: Shape): string {
    if (sameShape(from, to)) return name;
    const source = this.#reshapes.get(name) ?? { name, shape: from };
    if (sameShape(source.shape, to)) return source.name;
    // A 0 would copy the operand's size.
    const zeros = to.includes(0) ? { allowzero: 1 } : {};
    const result = this.emitter.op("Reshape", [source.name, this.emitter.integers(to)], zeros);
    this.#reshapes.set(result, source);
    return result;
  }

  /**
   * The result of a product in a shape with fewer axes of size 1 in front. Elementwise operations take it as it was where
   * they broadcast: the reshape in between is left out where nothing else needs it.
   */
  product(name: string, from: Shape, to: Shape): string {
    const result = this.reshape(name, from, to);
    if (result !== name && sameShape(withLeadingAxes(to, from.length), from)) {
      this.#rows.set(result, { name, shape: from });
    }
    return result;
  }

  /** Writes an elementwise operation of operands that broadcast. */
  broadcast(node: Node, write: (operands: readonly string[]) => string): string {
    const rows = node.inputs.map((input) => this.#rows.get(this.name(input)));
    const rank = Math.max(...rows.map((row) => row?.shape.length ?? 0));
    // The result would have more axes than what it meets next.
    const fits = node.inputs.every((input, i) => rows[i] !== undefined || input.shape.length === 0);
    if (rank > node.shape.length && !fits) return write(this.names(node.inputs));
    const result = write(node.inputs.map((input, i) => rows[i]?.name ?? this.name(input)));
    return this.product(result, withLeadingAxes(node.shape, rank), node.shape);
  }

  cast(name: string, to: ElementType | "int64"): string {
    return this.emitter.op("Cast", [name], { to: TYPE_CODES[to] });
  }

  bitcast(name: string, to: ElementType): string {
    return this.emitter.op("BitCast", [name], { to: TYPE_CODES[to] });
  }
}

/** What a chain of reshapes starts from. */
export function unreshaped(node: Node): Node {
  return node.op === "reshape" ? unreshaped(node.inputs[0]) : node;
}

export function isEmpty(node: Node): boolean {
  return elementCount(node.shape) === 0;
}
