import { type AxisPair, elementCount, type Node, type NodeOf, type Shape, sameShape } from "../graph.ts";
import type { Builder, Rule, Rules } from "./builder.ts";
import { isElementwise, remade } from "./elementwise-views.ts";
import { reshapeGroups } from "./reshape-groups.ts";

/** An operand of a sum of products, with a label for each axis; axes of one label run together. */
interface Labelled {
  node: Node;
  labels: number[];
}

/**
 * A sum of products being rid of the views on its operands. The result has one axis for each label in `out`; labels of
 * both operands that are not in `out` are summed over.
 */
class Contraction {
  readonly operands: [Labelled, Labelled];
  out: number[];
  readonly sizes = new Map<number, number>();
  /** Labels that neither operand has any more: the result is repeated along them. */
  readonly repeated = new Set<number>();
  #changed = false;

  constructor(left: Labelled, right: Labelled, out: readonly number[]) {
    this.operands = [left, right];
    this.out = [...out];
    for (const { node, labels } of this.operands) {
      for (const [axis, label] of labels.entries()) {
        this.sizes.set(label, Math.max(node.shape[axis], this.sizes.get(label) ?? 1));
      }
    }
  }

  /** Looks through the operands' views; whether there were any. */
  simplify(build: Builder): boolean {
    while (this.operands.some((operand, side) => this.#step(build, operand, this.operands[1 - side]))) {
      this.#changed = true;
    }
    return this.#changed;
  }

  #step(build: Builder, operand: Labelled, other: Labelled): boolean {
    const { node, labels } = operand;
    if (this.#sumAlone(build, operand, other)) return true;
    if (node.op === "transpose") {
      operand.node = node.inputs[0];
      const before = new Array<number>(labels.length);
      for (const [axis, from] of node.parameters.permutation.entries()) before[from] = labels[axis];
      operand.labels = before;
      return true;
    }
    if (node.op === "expand") {
      operand.node = node.inputs[0];
      return true;
    }
    if (node.shape.includes(1)) {
      this.#dropUnits(build, operand, other);
      return true;
    }
    return node.op === "reshape" && this.#openReshape(build, operand, other);
  }

  /** Sums over the axes that neither the other operand nor the result has. */
  #sumAlone(build: Builder, operand: Labelled, other: Labelled): boolean {
    const alone = (label: number) => !this.out.includes(label) && !other.labels.includes(label);
    const { shape } = operand.node;
    const axes = operand.labels.flatMap((label, axis) => (shape[axis] !== 1 && alone(label) ? [axis] : []));
    if (axes.length === 0) return false;
    operand.node = build.reduce("add", operand.node, axes);
    operand.labels = operand.labels.filter((_, axis) => !axes.includes(axis));
    return true;
  }

  /** Leaves out axes of size 1, which stand for a repetition where their label is longer. */
  #dropUnits(build: Builder, operand: Labelled, other: Labelled): void {
    const { node, labels } = operand;
    for (const [axis, label] of labels.entries()) {
      if (node.shape[axis] === 1) this.#dropped(build, label, other);
    }
    operand.labels = labels.filter((_, axis) => node.shape[axis] !== 1);
    operand.node = build.reshape(
      node,
      node.shape.filter((size) => size !== 1),
    );
  }

  #dropped(build: Builder, label: number, other: Labelled): void {
    const axis = other.labels.indexOf(label);
    if (this.out.includes(label)) {
      if (axis === -1) this.repeated.add(label);
    } else if (axis !== -1) {
      other.node = build.reduce("add", other.node, [axis]);
      other.labels = other.labels.toSpliced(axis, 1);
    }
  }

  /** Works on what was reshaped, splitting or joining labels, where every run of axes allows it. */
  #openReshape(build: Builder, operand: Labelled, other: Labelled): boolean {
    const { node, labels } = operand;
    // A label may stand for an axis of size 1 in the other operand: that goes first.
    if (other.node.op === "expand" || other.node.shape.includes(1)) return false;
    const [source] = node.inputs;
    const groups = reshapeGroups(source.shape, node.shape);
    if (groups === undefined) return false;
    // Axes of size 1 of anything else would come back as the same reshape.
    const view = source.op === "transpose" || source.op === "expand";
    if (source.shape.includes(1) && !view) return false;
    const free = (axis: number) => !other.labels.includes(labels[axis]);
    for (const { from, to } of groups) {
      if (
        to.length > 1 &&
        (from.length > 1 || !to.every(free) || !this.#adjacent(to.map((axis) => labels[axis])))
      ) {
        return false;
      }
    }
    const opened = source.shape.map(() => -1);
    for (const { from, to } of groups) {
      const sizes = from.map((axis) => source.shape[axis]);
      const own = to.map((axis) => labels[axis]);
      const parts = from.length > 1 ? this.#split(build, own[0], sizes, other) : this.#joined(own, sizes[0]);
      for (const [i, axis] of from.entries()) opened[axis] = parts[i];
    }
    operand.node = source;
    operand.labels = opened.map((label) => (label === -1 ? this.#label(1) : label));
    return true;
  }

  #adjacent(labels: readonly number[]): boolean {
    const start = this.out.indexOf(labels[0]);
    return labels.every((label, i) => this.out[start + i] === label);
  }

  #label(size: number): number {
    const label = Math.max(-1, ...this.sizes.keys()) + 1;
    this.sizes.set(label, size);
    return label;
  }

  #split(build: Builder, label: number, sizes: readonly number[], other: Labelled): number[] {
    const parts = sizes.map((size) => this.#label(size));
    const axis = other.labels.indexOf(label);
    if (axis !== -1) {
      other.node = build.reshape(other.node, other.node.shape.toSpliced(axis, 1, ...sizes));
      other.labels = other.labels.toSpliced(axis, 1, ...parts);
    }
    const place = this.out.indexOf(label);
    if (place !== -1) this.out.splice(place, 1, ...parts);
    return parts;
  }

  #joined(labels: readonly number[], size: number): number[] {
    if (labels.length === 1) return [...labels];
    const label = this.#label(size);
    this.out.splice(this.out.indexOf(labels[0]), labels.length, label);
    return [label];
  }

  /** The result, one axis for each label of `out`. */
  build(build: Builder): Node {
    const order = this.out.filter((label) => !this.repeated.has(label));
    const { node, labels } = this.#product(build);
    const ordered = build.transpose(
      node,
      order.map((label) => labels.indexOf(label)),
    );
    const core = this.out.map((label) => (this.repeated.has(label) ? 1 : this.sizes.get(label)!));
    const full = this.out.map((label) => this.sizes.get(label)!);
    return build.expand(build.reshape(ordered, core), full);
  }

  #product(build: Builder): Labelled {
    const [left, right] = this.#sides();
    const shared = left.labels.filter((label) => right.labels.includes(label));
    const batch = shared.filter((label) => this.out.includes(label));
    const summed = shared.filter((label) => !this.out.includes(label));
    const free = (side: Labelled) => side.labels.filter((label) => !shared.includes(label));
    const labels = [...batch, ...free(left), ...free(right)];
    if (summed.length === 0) return { node: outer(build, left, right, labels), labels };
    const pair = (label: number): AxisPair => [left.labels.indexOf(label), right.labels.indexOf(label)];
    const shape = labels.map((label) => this.sizes.get(label)!);
    const parameters = { batch: batch.map(pair), summed: summed.map(pair) };
    return {
      node: build.node("contract", [left.node, right.node], parameters, shape, left.node.dtype),
      labels,
    };
  }

  /** The operands in one order where both orders give the same: the one with axes of its own first, or the older. */
  #sides(): readonly [Labelled, Labelled] {
    const [left, right] = this.operands;
    const own = (a: Labelled, b: Labelled) => a.labels.some((label) => !b.labels.includes(label));
    const leftOwn = own(left, right);
    const rightOwn = own(right, left);
    const swap = leftOwn === rightOwn ? !leftOwn && left.node.id > right.node.id : rightOwn;
    return swap ? [right, left] : [left, right];
  }
}

/** Products of all pairs, nothing to sum: an elementwise product that broadcasts. */
function outer(build: Builder, left: Labelled, right: Labelled, labels: readonly number[]): Node {
  const spread = ({ node, labels: own }: Labelled) => {
    const order = labels.filter((label) => own.includes(label)).map((label) => own.indexOf(label));
    const moved = build.transpose(node, order);
    const shape = labels.map((label) => (own.includes(label) ? node.shape[own.indexOf(label)] : 1));
    return build.reshape(moved, shape);
  };
  return build.mul(spread(left), spread(right));
}

/** A node's operands with labels, and the labels of its result. */
function contractionOf({ inputs: [left, right], parameters }: NodeOf<"contract">): Contraction {
  const leftLabels = left.shape.map((_, axis) => axis);
  const rightLabels = right.shape.map((_, axis) => left.shape.length + axis);
  for (const [a, b] of [...parameters.batch, ...parameters.summed]) rightLabels[b] = leftLabels[a];
  const shared = new Set(parameters.summed.map(([a]) => leftLabels[a]));
  const batch = parameters.batch.map(([a]) => leftLabels[a]);
  const free = (labels: readonly number[], others: readonly number[]) =>
    labels.filter((label) => !others.includes(label) && !shared.has(label));
  const out = [...batch, ...free(leftLabels, rightLabels), ...free(rightLabels, leftLabels)];
  return new Contraction({ node: left, labels: leftLabels }, { node: right, labels: rightLabels }, out);
}

const contract: Rule<"contract"> = (build, node) => {
  const contraction = contractionOf(node);
  return contraction.simplify(build) ? build.reshape(contraction.build(build), node.shape) : undefined;
};

/** u·(Wv) as (Wᵀu)·v where Wᵀu is known already, as after a power iteration. */
const reassociated: Rule<"contract"> = (build, { inputs: [left, right], parameters: { summed }, shape }) => {
  if (shape.length > 0) return undefined;
  const turned = summed.map(([a, b]): AxisPair => [b, a]);
  return throughAdjoint(build, left, right, summed) ?? throughAdjoint(build, right, left, turned);
};

function throughAdjoint(build: Builder, image: Node, u: Node, pairs: readonly AxisPair[]): Node | undefined {
  if (image.op !== "contract" || image.parameters.batch.length > 0) return undefined;
  const [matrix, v] = image.inputs;
  const { summed } = image.parameters;
  if (v.shape.length !== summed.length) return undefined;
  const gone = summed.map(([axis]) => axis);
  const own = matrix.shape.flatMap((_, axis) => (gone.includes(axis) ? [] : [axis]));
  const adjointPairs = pairs.map(([a, b]): AxisPair => [own[a], b]).toSorted((a, b) => a[0] - b[0]);
  const shape = [...gone].sort((a, b) => a - b).map((axis) => matrix.shape[axis]);
  const adjoint = build.known(
    "contract",
    [matrix, u],
    { batch: [], summed: adjointPairs },
    shape,
    image.dtype,
  );
  if (adjoint === undefined) return undefined;
  const order = gone.toSorted((a, b) => a - b);
  const rest = summed.map(([a, b]): AxisPair => [order.indexOf(a), b]);
  return build.node("contract", [adjoint, v], { batch: [], summed: rest }, [], image.dtype);
}

/** The sum over the last axis of a product of broadcasting operands, as a contraction. */
const dot: Rule<"dot"> = (build, { inputs: [x, y], shape, dtype }) => {
  if (dtype === "bool") {
    const counts = build.node("dot", [build.cast(x, "int32"), build.cast(y, "int32")], {}, shape, "int32");
    return build.cast(counts, "bool");
  }
  const rank = shape.length + 1;
  const aligned = (node: Node): Labelled => ({
    node,
    labels: node.shape.map((_, axis) => rank - node.shape.length + axis),
  });
  const out = shape.map((_, axis) => axis);
  return labelledProduct(build, aligned(x), aligned(y), out, shape);
};

function labelledProduct(
  build: Builder,
  left: Labelled,
  right: Labelled,
  out: readonly number[],
  shape: Shape,
): Node {
  const contraction = new Contraction(left, right, out);
  contraction.simplify(build);
  // Labels may have been split or joined on the way.
  return build.reshape(contraction.build(build), shape);
}

/** A sum over products that is larger than the operands it is made of, or over all of them. */
const reduce: Rule<"reduce"> = (build, { inputs: [x], parameters: { reduction, axes }, shape, dtype }) => {
  if (reduction !== "add" || x.op !== "mul" || dtype === "bool") return undefined;
  const sizes = x.inputs.map((input) => elementCount(input.shape));
  const size = elementCount(x.shape);
  const dotProduct = axes.length === x.shape.length && sizes.every((count) => count === size);
  if (size <= Math.max(...sizes) && !(dotProduct && dtype.startsWith("float"))) return undefined;
  const rank = x.shape.length;
  const [left, right] = x.inputs.map((node) => ({
    node,
    labels: node.shape.map((_, axis) => rank - node.shape.length + axis),
  }));
  const out = x.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  return labelledProduct(build, left, right, out, shape);
};

/** (AB)ᵀ is BᵀAᵀ: the transposition of a product that exchanges its operands' axes costs nothing. */
function exchanged(build: Builder, x: Node, permutation: readonly number[]): Node | undefined {
  if (x.op !== "contract") return undefined;
  const { batch, summed } = x.parameters;
  const [left, right] = x.inputs;
  const paired = batch.length + summed.length;
  const lefts = left.shape.length - paired;
  const rights = right.shape.length - paired;
  const from = (start: number, count: number) => Array.from({ length: count }, (_, i) => start + i);
  const exchange = [
    ...from(0, batch.length),
    ...from(batch.length + lefts, rights),
    ...from(batch.length, lefts),
  ];
  if (!sameShape(permutation, exchange)) return undefined;
  const turned = ([a, b]: AxisPair): AxisPair => [b, a];
  const pairs = { batch: batch.map(turned), summed: summed.map(turned) };
  const shape = permutation.map((axis) => x.shape[axis]);
  return build.node("contract", [right, left], pairs, shape, x.dtype);
}

const transpose: Rule<"transpose"> = (build, { inputs: [x], parameters: { permutation } }) => {
  const product = exchanged(build, x, permutation);
  if (product !== undefined || !isElementwise(x)) return product;
  // Of an elementwise function of such products, and constants.
  const inputs = x.inputs.map((input) =>
    input.shape.length === 0 ? input : exchanged(build, input, permutation),
  );
  return inputs.every((input) => input !== undefined) ? remade(build, x, inputs) : undefined;
};

/** Sums of products without views on their operands, so that a lowering can choose how to run them. */
export const CONTRACTIONS: Rules = {
  dot: [dot],
  contract: [contract, reassociated],
  reduce: [reduce],
  transpose: [transpose],
};
