import { elementCount, type Graph, type Node, type NodeOf, sameShape } from "../graph.ts";
import type { Builder } from "./builder.ts";
import { plainly, rebuild, useCounts } from "./rebuild.ts";
import { consecutive } from "./reshape-groups.ts";

/**
 * Sums of many terms made smaller: products of matrices become one product of their operands put one after the other
 * (the weight gradient of a recurrent layer, or the rank-one term that spectral normalization adds to a gradient), sums
 * over an axis one sum, and padded pieces one concatenation.
 */
export function joinSums(graph: Graph, build: Builder): Graph {
  const uses = useCounts(graph);
  const remake = plainly(build);
  const counterparts = new Map<Node, Node>();
  const inner = innerSums(uses);
  return rebuild(graph, build, (node, inputs) => {
    const root = isSum(node) && !inner.has(node);
    const made = (root ? joined(build, node, inner, counterparts) : undefined) ?? remake(node, inputs);
    counterparts.set(node, made);
    return made;
  });
}

function isSum(node: Node): node is NodeOf<"add"> | NodeOf<"sub"> {
  return node.op === "add" || node.op === "sub";
}

/** Sums that are terms of one other sum and nothing else. */
function innerSums(uses: ReadonlyMap<Node, number>): ReadonlySet<Node> {
  const inner = new Set<Node>();
  for (const sum of uses.keys()) {
    if (!isSum(sum)) continue;
    for (const term of sum.inputs) {
      if (isSum(term) && uses.get(term) === 1 && sameShape(term.shape, sum.shape)) inner.add(term);
    }
  }
  return inner;
}

interface Term {
  readonly node: Node;
  readonly negative: boolean;
}

/** The terms of a sum, from the first added to the last. */
function termsOf(sum: Node, inner: ReadonlySet<Node>): Term[] {
  const terms: Term[] = [];
  const pending: Term[] = [{ node: sum, negative: false }];
  for (let term = pending.pop(); term !== undefined; term = pending.pop()) {
    const { node, negative } = term;
    if (node !== sum && !inner.has(node)) {
      terms.push(term);
      continue;
    }
    const [first, second] = node.inputs;
    pending.push({ node: first, negative }, { node: second, negative: negative !== (node.op === "sub") });
  }
  return terms.reverse();
}

function joined(
  build: Builder,
  sum: Node,
  inner: ReadonlySet<Node>,
  counterparts: ReadonlyMap<Node, Node>,
): Node | undefined {
  const terms = termsOf(sum, inner).map(({ node, negative }) => {
    const term = counterparts.get(node)!;
    return negative ? build.neg(term) : term;
  });
  if (!terms.every((term) => sameShape(term.shape, sum.shape))) return undefined;
  const fewer = [joinedProducts, joinedReductions, joinedPieces].reduce(
    (rest, join) => join(build, rest),
    terms as readonly Node[],
  );
  return fewer.length < terms.length ? fewer.reduce((a, b) => build.add(a, b)) : undefined;
}

/** Terms of one kind, by what they must have in common. */
function grouped<T>(items: readonly T[], key: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [item]);
    else group.push(item);
  }
  return [...groups.values()];
}

/** A term that is Σ_k left[k, …]·right[k, …]. */
interface Product {
  readonly term: Node;
  readonly left: Node;
  readonly right: Node;
}

function joinedProducts(build: Builder, terms: readonly Node[]): readonly Node[] {
  const products = terms.flatMap((term) => productOf(build, term) ?? []);
  let rest = terms;
  for (const group of grouped(
    products,
    ({ left, right }) => `${left.shape.slice(1)}; ${right.shape.slice(1)}`,
  )) {
    if (group.length < 2 || !worthJoining(group)) continue;
    const left = build.concatenate(
      group.map((product) => product.left),
      0,
    );
    const right = build.concatenate(
      group.map((product) => product.right),
      0,
    );
    const { shape, dtype } = group[0].term;
    const pairs = { batch: [], summed: [[0, 0] as const] };
    const members = new Set(group.map(({ term }) => term));
    rest = [
      build.node("contract", [left, right], pairs, shape, dtype),
      ...rest.filter((term) => !members.has(term)),
    ];
  }
  return rest;
}

/** Whether copying the operands costs less than the passes over the result that it saves. */
function worthJoining(group: readonly Product[]): boolean {
  const copied = group.reduce(
    (sum, { left, right }) => sum + elementCount(left.shape) + elementCount(right.shape),
    0,
  );
  return copied <= 2 * (group.length - 1) * elementCount(group[0].term.shape);
}

/** A product of matrices that both have their summed axes first, or an outer product; possibly negated or scaled. */
function productOf(build: Builder, term: Node, scale?: Node): Product | undefined {
  if (term.dtype !== "float32" && term.dtype !== "float64") return undefined;
  if (term.op === "contract") return contracted(build, term, scale);
  if (term.op !== "mul" && term.op !== "neg") return undefined;
  if (term.op === "neg") return negated(build, term, productOf(build, term.inputs[0], scale));
  const [x, y] = term.inputs;
  if (y.shape.length === 0) {
    const inner = productOf(build, x, scale === undefined ? y : build.mul(scale, y));
    return inner === undefined ? undefined : { ...inner, term };
  }
  return outerProduct(build, term, scale);
}

function negated(build: Builder, term: Node, product: Product | undefined): Product | undefined {
  return product === undefined ? undefined : { term, left: product.left, right: build.neg(product.right) };
}

function scaledBy(build: Builder, x: Node, scale: Node | undefined): Node {
  return scale === undefined ? x : build.mul(x, scale);
}

function contracted(build: Builder, term: NodeOf<"contract">, scale: Node | undefined): Product | undefined {
  const { batch, summed } = term.parameters;
  const first = (side: 0 | 1) => summed.map((pair) => pair[side]);
  const inFront = (axes: readonly number[]) => axes[0] === 0 && consecutive(axes);
  if (batch.length > 0 || !inFront(first(0)) || !inFront(first(1))) return undefined;
  const flat = (x: Node) => {
    const depth = elementCount(x.shape.slice(0, summed.length));
    return build.reshape(x, [depth, ...x.shape.slice(summed.length)]);
  };
  return { term, left: flat(term.inputs[0]), right: scaledBy(build, flat(term.inputs[1]), scale) };
}

/** x·y where x has the first axes of the result and y the others. */
function outerProduct(build: Builder, term: NodeOf<"mul">, scale: Node | undefined): Product | undefined {
  const { shape } = term;
  const full = (x: Node) => {
    const leading = shape.length - x.shape.length;
    return shape.map((size, axis) => axis >= leading && x.shape[axis - leading] === size);
  };
  for (const [x, y] of [term.inputs, [term.inputs[1], term.inputs[0]]]) {
    const own = full(x).lastIndexOf(true) + 1;
    const others = full(y).indexOf(true);
    if (own !== others || own <= 0) continue;
    if (elementCount(x.shape) * elementCount(y.shape) !== elementCount(shape)) continue;
    const left = build.reshape(x, [1, ...shape.slice(0, own)]);
    const right = build.reshape(y, [1, ...shape.slice(own)]);
    return { term, left, right: scaledBy(build, right, scale) };
  }
  return undefined;
}

function joinedReductions(build: Builder, terms: readonly Node[]): readonly Node[] {
  const sums = terms.filter(
    (term): term is NodeOf<"reduce"> => term.op === "reduce" && term.parameters.reduction === "add",
  );
  let rest = terms;
  const key = ({ inputs: [x], parameters: { axes } }: NodeOf<"reduce">) =>
    `${axes}; ${x.shape.with(axes[0], -1)}`;
  for (const group of grouped(sums, key)) {
    if (group.length < 2) continue;
    const { axes } = group[0].parameters;
    const whole = build.concatenate(
      group.map((term) => term.inputs[0]),
      axes[0],
    );
    const members = new Set<Node>(group);
    rest = [...rest.filter((term) => !members.has(term)), build.reduce("add", whole, axes)];
  }
  return rest;
}

/** The axis along which alone a piece is padded. */
function paddedAxis({ parameters: { widths } }: NodeOf<"pad">): number | undefined {
  const axes = widths.flatMap(([low, high], axis) => (low === 0 && high === 0 ? [] : [axis]));
  return axes.length === 1 ? axes[0] : undefined;
}

function joinedPieces(build: Builder, terms: readonly Node[]): readonly Node[] {
  const pieces = terms.filter(
    (term): term is NodeOf<"pad"> => term.op === "pad" && paddedAxis(term) !== undefined,
  );
  let rest = terms;
  for (const group of grouped(pieces, (piece) => `${paddedAxis(piece)}`)) {
    const axis = paddedAxis(group[0])!;
    const whole = group.length < 2 ? undefined : placed(build, group, axis);
    if (whole === undefined) continue;
    const members = new Set<Node>(group);
    rest = [...rest.filter((term) => !members.has(term)), whole];
  }
  return rest;
}

/** Pieces that do not overlap, each at its place, with zeros in between. */
function placed(build: Builder, pieces: readonly NodeOf<"pad">[], axis: number): Node | undefined {
  const { shape, dtype } = pieces[0];
  const start = (piece: NodeOf<"pad">) => piece.parameters.widths[axis][0];
  const parts: Node[] = [];
  let end = 0;
  const zerosTo = (place: number) => {
    if (place === end) return;
    parts.push(build.filled(0, shape.with(axis, place - end), dtype));
  };
  for (const piece of pieces.toSorted((a, b) => start(a) - start(b))) {
    if (start(piece) < end) return undefined;
    zerosTo(start(piece));
    parts.push(piece.inputs[0]);
    end = start(piece) + piece.inputs[0].shape[axis];
  }
  zerosTo(shape[axis]);
  return build.concatenate(parts, axis);
}
