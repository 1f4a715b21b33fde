import { elementCount, type Node, type NodeOf, type Shape, sameShape } from "../graph.ts";
import type { Builder, Rule, Rules } from "./builder.ts";
import { consecutive, inversePermutation, reshapeGroups, wideAxes } from "./reshape-groups.ts";

const reshape: Rule<"reshape"> = (build, { inputs: [x], shape }) => {
  if (sameShape(x.shape, shape)) return x;
  if (x.op === "reshape") return build.reshape(x.inputs[0], shape);
  if (x.op === "expand") return reshapedExpand(build, x.inputs[0], x.shape, shape);
  return x.op === "transpose" ? reshapedTranspose(build, x, shape) : undefined;
};

/** Reshapes before transposing, where no axis mixes axes that the transposition brought together. */
function reshapedTranspose(build: Builder, x: NodeOf<"transpose">, to: Shape): Node | undefined {
  const [source] = x.inputs;
  const { permutation } = x.parameters;
  const groups = reshapeGroups(x.shape, to);
  if (groups === undefined) return undefined;
  const wide = wideAxes(source.shape);
  const moved = groups.map((group) => ({
    from: group.from.map((axis) => wide.indexOf(permutation[axis])),
    to: group.to,
  }));
  if (!moved.every(({ from }) => consecutive(from))) return undefined;
  // Axes of size 1 may be anywhere in between.
  const units = to.flatMap((size, axis) => (size === 1 ? [axis] : []));
  const order = [...units, ...moved.toSorted((a, b) => a.from[0] - b.from[0]).flatMap((group) => group.to)];
  const reshaped = build.reshape(
    source,
    order.map((axis) => to[axis]),
  );
  return build.transpose(reshaped, inversePermutation(order));
}

/** Reshapes before repeating, where no axis mixes repeated elements with others. */
function reshapedExpand(build: Builder, core: Node, from: Shape, to: Shape): Node | undefined {
  const groups = reshapeGroups(from, to);
  if (groups === undefined) return undefined;
  const coreShape = new Array<number>(to.length).fill(1);
  for (const group of groups) {
    const repeated = group.from.map((axis) => core.shape[axis] === 1);
    if (repeated.every(Boolean)) continue;
    if (repeated.some(Boolean)) return undefined;
    for (const axis of group.to) coreShape[axis] = to[axis];
  }
  return build.expand(build.reshape(core, coreShape), to);
}

const expand: Rule<"expand"> = (build, { inputs: [x], shape }) => {
  if (sameShape(x.shape, shape)) return x;
  return x.op === "expand" ? build.expand(x.inputs[0], shape) : undefined;
};

const transpose: Rule<"transpose"> = (build, { inputs: [x], parameters: { permutation }, shape }) => {
  if (consecutive(permutation)) return x;
  if (x.op === "transpose") {
    return build.transpose(
      x.inputs[0],
      permutation.map((axis) => x.parameters.permutation[axis]),
    );
  }
  if (x.op === "expand") return build.expand(build.transpose(x.inputs[0], permutation), shape);
  if (x.op === "slice" && picks(x)) {
    // Picking elements is cheaper along the axes that the transposition brings to the front.
    const moved = (values: readonly number[]) => permutation.map((axis) => values[axis]);
    const parameters = { starts: moved(x.parameters.starts), steps: moved(x.parameters.steps) };
    return build.node("slice", [build.transpose(x.inputs[0], permutation)], parameters, shape, x.dtype);
  }
  const wide = permutation.filter((axis) => x.shape[axis] !== 1);
  if (wide.every((axis, i) => i === 0 || axis > wide[i - 1])) return build.reshape(x, shape);
  return undefined;
};

/** Whether a slice takes some elements and leaves those in between, or turns their order. */
function picks({ parameters: { steps }, shape }: NodeOf<"slice">): boolean {
  return steps.some((step, axis) => step !== 1 && shape[axis] > 1);
}

const slice: Rule<"slice"> = (build, node) => {
  const { shape } = node;
  const [x] = node.inputs;
  const { starts, steps } = node.parameters;
  if (sameShape(x.shape, shape) && steps.every((step, axis) => step === 1 || shape[axis] === 1)) return x;
  if (x.op === "slice") {
    const inner = x.parameters;
    const joined = {
      starts: starts.map((start, axis) => inner.starts[axis] + start * inner.steps[axis]),
      steps: steps.map((step, axis) => step * inner.steps[axis]),
    };
    return build.node("slice", x.inputs, joined, shape, x.dtype);
  }
  if (x.op === "expand") {
    const [core] = x.inputs;
    const repeated = (axis: number) => core.shape[axis] === 1;
    const coreShape = shape.map((size, axis) => (repeated(axis) ? Math.min(size, 1) : size));
    const kept = { starts: starts.map((start, axis) => (repeated(axis) ? 0 : start)), steps };
    return build.expand(build.node("slice", [core], kept, coreShape, x.dtype), shape);
  }
  if (x.op === "transpose" && !picks(node)) {
    const { permutation } = x.parameters;
    const inverse = inversePermutation(permutation);
    const back = (values: readonly number[]) => inverse.map((axis) => values[axis]);
    const moved = { starts: back(starts), steps: back(steps) };
    return build.transpose(build.node("slice", x.inputs, moved, back(shape), x.dtype), permutation);
  }
  if (x.op === "concatenate") return sliceOfPart(build, x, node.parameters, shape);
  return undefined;
};

/** A slice that stays within one part of a concatenation. */
function sliceOfPart(
  build: Builder,
  whole: Node & { op: "concatenate" },
  { starts, steps }: { readonly starts: readonly number[]; readonly steps: readonly number[] },
  shape: Shape,
): Node | undefined {
  const { axis } = whole.parameters;
  if (steps[axis] !== 1 || shape[axis] === 0) return undefined;
  let start = starts[axis];
  for (const part of whole.inputs) {
    const size = part.shape[axis];
    if (start < size) {
      const within = start + shape[axis] <= size;
      return within
        ? build.node("slice", [part], { starts: starts.with(axis, start), steps }, shape, part.dtype)
        : undefined;
    }
    start -= size;
  }
  return undefined;
}

const pad: Rule<"pad"> = (build, { inputs: [x], parameters: { widths }, shape }) => {
  if (sameShape(x.shape, shape)) return x;
  if (x.op === "pad") {
    const joined = widths.map(([low, high], axis) => {
      const [innerLow, innerHigh] = x.parameters.widths[axis];
      return [low + innerLow, high + innerHigh] as const;
    });
    return build.node("pad", x.inputs, { widths: joined }, shape, x.dtype);
  }
  if (x.op === "transpose") {
    const { permutation } = x.parameters;
    const [source] = x.inputs;
    const moved = inversePermutation(permutation).map((axis) => widths[axis]);
    const padded = source.shape.map((size, axis) => size + moved[axis][0] + moved[axis][1]);
    return build.transpose(build.node("pad", [source], { widths: moved }, padded, x.dtype), permutation);
  }
  return undefined;
};

const concatenate: Rule<"concatenate"> = (build, { inputs, parameters: { axis } }) => {
  const parts = inputs.filter((part) => elementCount(part.shape) > 0);
  if (parts.length === 0) return inputs[0];
  if (parts.length === 1) return parts[0];
  const flat = parts.flatMap((part) =>
    part.op === "concatenate" && part.parameters.axis === axis ? part.inputs : [part],
  );
  if (flat.length !== inputs.length) return build.concatenate(flat, axis);
  return (
    slicesOfOne(flat, axis) ??
    concatenatedTransposes(build, parts, axis) ??
    stackedReshapes(build, parts, axis)
  );
};

/** The array whose slices these are, one after the other and all of them. */
function slicesOfOne(parts: readonly Node[], axis: number): Node | undefined {
  const [first] = parts;
  if (first.op !== "slice") return undefined;
  const [whole] = first.inputs;
  let next = 0;
  for (const part of parts) {
    if (part.op !== "slice" || part.inputs[0] !== whole) return undefined;
    const { starts, steps } = part.parameters;
    const fits = starts.every((start, a) => start === (a === axis ? next : 0) && steps[a] === 1);
    if (!fits) return undefined;
    next += part.shape[axis];
  }
  const size = whole.shape.every((n, a) => n === (a === axis ? next : first.shape[a]));
  return size ? whole : undefined;
}

function concatenatedTransposes(build: Builder, parts: readonly Node[], axis: number): Node | undefined {
  const [first] = parts;
  if (first.op !== "transpose") return undefined;
  const { permutation } = first.parameters;
  const alike = (part: Node) =>
    part.op === "transpose" && sameShape(part.parameters.permutation, permutation);
  if (!parts.every(alike)) return undefined;
  const sources = parts.map((part) => part.inputs[0]);
  return build.transpose(build.concatenate(sources, permutation[axis]), permutation);
}

/** Arrays put one behind the other along a new axis, as ones put one behind the other along the axis after it. */
function stackedReshapes(build: Builder, parts: readonly Node[], axis: number): Node | undefined {
  const stacked = (part: Node) =>
    part.op === "reshape" &&
    sameShape(part.shape.toSpliced(axis, 1), part.inputs[0].shape) &&
    part.shape[axis] === 1;
  const [{ shape }] = parts;
  if (axis === shape.length - 1 || !parts.every(stacked)) return undefined;
  const joined = build.concatenate(
    parts.map((part) => part.inputs[0]),
    axis,
  );
  return build.reshape(joined, shape.with(axis, parts.length));
}

const reduce: Rule<"reduce"> = (build, { inputs: [x], parameters: { reduction, axes }, shape }) => {
  if (axes.length === 0) return x;
  if (axes.every((axis) => x.shape[axis] === 1)) return build.reshape(x, shape);
  const kept = x.shape.flatMap((_, axis) => (axes.includes(axis) ? [] : [axis]));
  if (x.op === "reduce" && x.parameters.reduction === reduction) {
    const [source] = x.inputs;
    const inner = source.shape.flatMap((_, axis) => (x.parameters.axes.includes(axis) ? [] : [axis]));
    const all = [...x.parameters.axes, ...axes.map((axis) => inner[axis])];
    return build.reduce(
      reduction,
      source,
      all.sort((a, b) => a - b),
    );
  }
  if (x.op === "transpose") {
    const { permutation } = x.parameters;
    const moved = axes.map((axis) => permutation[axis]).sort((a, b) => a - b);
    const reduced = build.reduce(reduction, x.inputs[0], moved);
    const sources = kept.map((axis) => permutation[axis]);
    const rank = (axis: number) => sources.filter((other) => other < axis).length;
    return build.transpose(reduced, sources.map(rank));
  }
  if (x.op === "expand" && x.dtype !== "bool")
    return reducedExpand(build, x.inputs[0], x.shape, reduction, axes);
  if (x.op === "reshape") return reducedReshape(build, x, reduction, axes, shape);
  return undefined;
};

/** Reduces what is repeated without repeating it. */
function reducedExpand(
  build: Builder,
  core: Node,
  expanded: Shape,
  reduction: string,
  axes: readonly number[],
): Node | undefined {
  if (reduction === "mul" || elementCount(expanded) === 0) return undefined;
  const result = build.reduce(reduction as "add", core, axes);
  const copies = axes.reduce((count, axis) => count * (core.shape[axis] === 1 ? expanded[axis] : 1), 1);
  const once = reduction === "add" ? build.mul(result, build.scalar(copies, core.dtype)) : result;
  return build.expand(
    once,
    expanded.filter((_, axis) => !axes.includes(axis)),
  );
}

/** Reduces before reshaping, where the reduced axes are whole runs. */
function reducedReshape(
  build: Builder,
  x: Node,
  reduction: "add" | "mul" | "min" | "max",
  axes: readonly number[],
  shape: Shape,
): Node | undefined {
  const [source] = x.inputs;
  const groups = reshapeGroups(source.shape, x.shape);
  if (groups === undefined) return undefined;
  const reduced: number[] = [];
  for (const { from, to } of groups) {
    const inside = to.filter((axis) => axes.includes(axis));
    if (inside.length === to.length) reduced.push(...from);
    else if (inside.length > 0) return undefined;
  }
  return build.reshape(build.reduce(reduction, source, reduced), shape);
}

/** Operations that only say where elements go: joined, dropped, or moved past one another into one order. */
export const VIEWS: Rules = {
  reshape: [reshape],
  expand: [expand],
  transpose: [transpose],
  slice: [slice],
  pad: [pad],
  concatenate: [concatenate],
  reduce: [reduce],
};
