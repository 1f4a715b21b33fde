import { isFloatType } from "../../formats/dtype.ts";
import { divUp, sqrtDown } from "../../linalg/rounding.ts";
import { intAttribute, intsAttribute } from "../attributes.ts";
import { bounded, type ChainNode, type ConstantRule, rootUp, unbounded } from "../constants/rule.ts";
import type { Seen } from "../shapes/inputs.ts";
import type { ShapeRule } from "../shapes/rule.ts";
import {
  elementCount,
  knownContents,
  normalizeAxes,
  normalizeAxis,
  ofShape,
  rowMajorStrides,
  type Shape,
  UNKNOWN,
  unknownDims,
  withContents,
} from "../shapes/value.ts";
import { likeFirst } from "./broadcast-shape.ts";
import { seenInPlan } from "./index-constants.ts";
import { otherSignal, sameEntries, seen, sizeOf } from "./index-maps.ts";
import { stepOperation } from "./index-steps.ts";
import { perWindow, type WindowFunction } from "./index-window-function.ts";
import { reductionWindows, type Windows } from "./index-windows.ts";
import type { Operation } from "./operation.ts";
import { maximum } from "./pooling-max.ts";
import {
  absoluteSum,
  euclideanNorm,
  logSum,
  logSumExp,
  productOfAll,
  sumOfSquares,
} from "./reduce-functions.ts";
import type { Binding, OperationRule, OperatorRule, OperatorRules } from "./rule.ts";
import { axesPart, runningSumNorm, runningSumPart, summingMatrices } from "./sum-parts.ts";

/**
 * Axes a reduction removes: an attribute in older operator sets, an input in newer ones; all where none are named
 * (none at all with `noop_with_empty_axes`). null when unknown.
 */
export function reducedAxes(op: Pick<Seen, "node" | "inputs">, rank: number): readonly number[] | null {
  const attribute = intsAttribute(op.node, "axes");
  const input = op.inputs[1];
  const given = attribute ?? (input === undefined ? [] : knownContents(input));
  if (given === undefined) return null;
  if (given.length > 0) return normalizeAxes(given, rank);
  return intAttribute(op.node, "noop_with_empty_axes") === 1 ? [] : Array.from({ length: rank }, (_, i) => i);
}

function without(shape: Shape, axes: readonly number[], keep: boolean): Shape {
  return keep ? shape.map((d, i) => (axes.includes(i) ? 1 : d)) : shape.filter((_, i) => !axes.includes(i));
}

function reduceShape(fold?: (xs: readonly number[]) => number): ShapeRule {
  return (op) => {
    const x = op.inputs[0] ?? UNKNOWN;
    if (x.shape === null) return [ofShape(null, x.dtype)];
    const keep = intAttribute(op.node, "keepdims") !== 0;
    const axes = reducedAxes(op, x.shape.length);
    if (axes === null) return [ofShape(keep ? unknownDims(x.shape.length) : null, x.dtype)];
    const known = knownContents(x);
    const all = axes.length === x.shape.length && known !== undefined && fold !== undefined;
    return [withContents(without(x.shape, axes, keep), x.dtype, all ? [fold(known)] : undefined)];
  };
}

/** Entries that go into one result; null when unknown. */
function reducedCount(chain: ChainNode): number | null {
  const { input } = chain;
  if (input.shape === null) return null;
  const axes = reducedAxes(seenInPlan(chain), input.shape.length);
  return axes && elementCount(axes.map((a) => input.shape![a]));
}

const meanConstant: ConstantRule = (chain) => {
  const count = reducedCount(chain);
  if (count === null || count < 1) return bounded(1, "an average is 1-Lipschitz (size unknown)");
  return bounded(divUp(1, sqrtDown(count)), `1/√n, an average of ${count} entries`);
};

const sumConstant: ConstantRule = (chain) => {
  const count = reducedCount(chain);
  if (count === null) {
    return unbounded("its constant is √n for a sum of n entries, and n is unknown; give the input sizes");
  }
  return bounded(rootUp(Math.max(count, 1)), `√n, a sum of ${count} entries`);
};

const one =
  (because: string): ConstantRule =>
  () =>
    bounded(1, because);

/** A reduction bound to its axes; an empty result or an empty sum is nobody's network. */
function reducing(bind: (axes: readonly number[], binding: Binding) => Operation | string): OperationRule {
  return (binding) => {
    const other = otherSignal(binding);
    if (other !== undefined) return other;
    const shape = binding.inputs[0]?.shape ?? [];
    const axes = reducedAxes(seen(binding), shape.length);
    if (axes === null) return "the axes it reduces are not known";
    if (sizeOf(shape) === 0) return "it reduces a tensor without entries";
    return bind(axes, binding);
  };
}

const shapeOf = (binding: Binding) => binding.inputs[0]?.shape ?? [];
const isReal = (binding: Binding) => isFloatType(binding.inputs[0]?.dtype ?? "unknown");

const sum = reducing((axes, binding) =>
  axes.length === 0
    ? sameEntries(binding)
    : { kind: "affine", parts: [axesPart(shapeOf(binding), summingMatrices(shapeOf(binding), axes, 1))] },
);

const mean = reducing((axes, binding) => {
  const shape = shapeOf(binding);
  const count = sizeOf(axes.map((axis) => shape[axis]));
  if (count === 1) return sameEntries(binding);
  if (isReal(binding)) {
    return { kind: "affine", parts: [axesPart(shape, summingMatrices(shape, axes, 1 / count))] };
  }
  const total = axesPart(shape, summingMatrices(shape, axes, 1));
  return stepOperation((x) => total.apply(x).map((t) => Math.trunc(t / count)));
});

function windowsOf(binding: Binding, axes: readonly number[]): Windows {
  return reductionWindows(shapeOf(binding), axes);
}

const extreme = (sign: 1 | -1) =>
  reducing((axes, binding) => maximum(windowsOf(binding, axes), sign, { values: true }));

/** Functions whose results on integers are integers; the others are cut off there, and nobody needs them. */
const WHOLE: ReadonlySet<WindowFunction> = new Set([absoluteSum, sumOfSquares, productOfAll]);

const each = (f: WindowFunction) =>
  reducing((axes, binding) =>
    isReal(binding) || WHOLE.has(f)
      ? perWindow(windowsOf(binding, axes), f)
      : "on integers its results are cut off",
  );

const argumentShape: ShapeRule = (op) => {
  const { shape } = op.inputs[0] ?? UNKNOWN;
  const axis = shape === null ? null : normalizeAxis(intAttribute(op.node, "axis") ?? 0, shape.length);
  if (shape === null || axis === null) return [ofShape(null, "int64")];
  return [ofShape(without(shape, [axis], intAttribute(op.node, "keepdims") !== 0), "int64")];
};

const argument =
  (sign: 1 | -1): OperationRule =>
  (binding) => {
    const shape = shapeOf(binding);
    const axis = normalizeAxis(intAttribute(binding.node, "axis") ?? 0, shape.length);
    if (axis === null || sizeOf(shape) === 0) return "there is nothing along its axis";
    const stride = rowMajorStrides(shape)[axis];
    return maximum(reductionWindows(shape, [axis]), sign, {
      values: false,
      index: { of: (at) => Math.floor(at / stride) % shape[axis], count: shape[axis] },
      last: intAttribute(binding.node, "select_last_index") === 1,
    });
  };

interface RunningAxis {
  readonly axis: number;
  readonly exclusive: boolean;
  readonly reverse: boolean;
}

function runningAxis(op: Seen, rank: number): RunningAxis | null {
  const given = knownContents(op.inputs[1])?.[0];
  const axis = given === undefined ? null : normalizeAxis(given, rank);
  if (axis === null) return null;
  const on = (name: string) => intAttribute(op.node, name) === 1;
  return { axis, exclusive: on("exclusive"), reverse: on("reverse") };
}

const runningConstant: ConstantRule = (chain) => {
  const { shape } = chain.input;
  const along = shape && runningAxis(seenInPlan(chain), shape.length);
  const size = along ? shape[along.axis] : null;
  if (!along || size === null)
    return unbounded("how many entries its longest sum has is unknown; give the input sizes");
  const constant = runningSumNorm(Math.max(size - (along.exclusive ? 1 : 0), 0));
  return bounded(constant, `1/(2 sin(π/(4n + 2))), running sums of ${size} entries`);
};

const running: OperationRule = (binding) => {
  const other = otherSignal(binding);
  if (other !== undefined) return other;
  const shape = shapeOf(binding);
  const along = runningAxis(seen(binding), shape.length);
  if (along === null) return "its axis is not known";
  const { axis, exclusive, reverse } = along;
  const [outer, inner] = [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis + 1))];
  return { kind: "affine", parts: [runningSumPart({ outer, size: shape[axis], inner, exclusive, reverse })] };
};

const MAXIMUM = one("a maximum is 1-Lipschitz");
const JUMPS = "it jumps, so no Lipschitz constant is finite";
const STEEP = "its slope grows without limit; bound it on a ball with --around";
const NEAR_ZERO = "its slope is infinite near 0; bound it on a ball with --around";

function reduction(
  constant: ConstantRule | string,
  operation: OperationRule,
  fold?: (xs: readonly number[]) => number,
): OperatorRule {
  return { shape: reduceShape(fold), constant, operation };
}

/** Reductions along axes. */
export const reduceRules: OperatorRules = {
  ReduceMean: reduction(meanConstant, mean),
  ReduceSum: reduction(sumConstant, sum, (xs) => xs.reduce((a, b) => a + b, 0)),
  ReduceMax: reduction(MAXIMUM, extreme(1), (xs) => xs.reduce((a, b) => Math.max(a, b))),
  ReduceMin: reduction(MAXIMUM, extreme(-1), (xs) => xs.reduce((a, b) => Math.min(a, b))),
  ReduceL1: reduction(sumConstant, each(absoluteSum)),
  ReduceL2: reduction(one("a norm is 1-Lipschitz"), each(euclideanNorm)),
  ReduceLogSumExp: reduction(one("its gradient is a softmax, of norm at most 1"), each(logSumExp)),
  ReduceLogSum: reduction(NEAR_ZERO, each(logSum)),
  ReduceSumSquare: reduction(STEEP, each(sumOfSquares)),
  ReduceProd: reduction(STEEP, each(productOfAll), (xs) => xs.reduce((a, b) => a * b, 1)),
  ArgMax: { shape: argumentShape, constant: JUMPS, operation: argument(1) },
  ArgMin: { shape: argumentShape, constant: JUMPS, operation: argument(-1) },
  CumSum: { shape: likeFirst, constant: runningConstant, operation: running },
  CumProd: { shape: likeFirst, constant: STEEP },
};
