import { isFloatType } from "../../formats/dtype.ts";
import { intAttribute, intsAttribute } from "../attributes.ts";
import { bounded, type ConstantRule, unbounded } from "../constants/rule.ts";
import { axesOf, dtypeAttribute, shapeFromContents } from "../shapes/inputs.ts";
import type { ShapeRule } from "../shapes/rule.ts";
import {
  asDim,
  type Dim,
  elementCount,
  knownContents,
  normalizeAxes,
  ofShape,
  type Shape,
  UNKNOWN,
  unknownDims,
  withContents,
} from "../shapes/value.ts";
import { isometry } from "./index-constants.ts";
import { movedOperation, otherSignal, sameEntries, sizeOf } from "./index-maps.ts";
import { stepOperation } from "./index-steps.ts";
import type { Interval, LinearPart } from "./operation.ts";
import { movedPart } from "./parts.ts";
import type { Binding, JoinRule, OperationRule, OperatorRule, OperatorRules } from "./rule.ts";

/**
 * Reshape's output: entry 0 copies the input's dimension (unless `allowzero`), −1 takes what is left. A single
 * unknown entry is found like −1 when all else is known.
 */
export function reshaped(input: Shape | null, target: readonly (number | null)[], allowZero: boolean): Shape {
  const copied = target.map((t, i) => t === 0 && !allowZero && input !== null && i < input.length);
  const dims: Dim[] = target.map((t, i) => {
    if (t === 0 && !allowZero) return input?.[i] ?? null;
    return t === -1 ? null : asDim(t);
  });
  const inferred = target.indexOf(-1);
  const free = inferred >= 0 ? inferred : dims.indexOf(null);
  if (input === null || free < 0) return dims;
  // Copied dimensions cancel, known or not.
  const rest = elementCount(input.filter((_, i) => !(copied[i] ?? false)));
  const others = elementCount(dims.filter((_, i) => i !== free && !copied[i]));
  if (rest === null || others === null || others === 0 || rest % others !== 0 || copied[free]) return dims;
  dims[free] = rest / others;
  return dims;
}

const reshapeShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const attribute = intsAttribute(op.node, "shape");
  const entries = attribute ?? op.inputs[1]?.contents;
  if (entries === undefined) return [ofShape(shapeFromContents(op.inputs[1]), x.dtype)];
  const out = reshaped(x.shape, entries, intAttribute(op.node, "allowzero") === 1);
  return [withContents(out, x.dtype, x.contents)];
};

const flattenShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const axis = intAttribute(op.node, "axis") ?? 1;
  if (x.shape === null) return [ofShape(unknownDims(2), x.dtype)];
  const at = axis < 0 ? axis + x.shape.length : axis;
  if (at < 0 || at > x.shape.length) return [];
  const out = [elementCount(x.shape.slice(0, at)), elementCount(x.shape.slice(at))];
  return [withContents(out, x.dtype, x.contents)];
};

const squeezeShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  if (x.shape === null) return [ofShape(null, x.dtype)];
  const given = axesOf(op, 1, "axes");
  const all = given === undefined && op.inputs[1] === undefined && !x.shape.includes(null);
  const ones = x.shape.flatMap((d, i) => (d === 1 ? [i] : []));
  const axes = all ? ones : given && normalizeAxes(given, x.shape.length);
  if (!axes) return [ofShape(null, x.dtype)];
  const kept = x.shape.filter((_, i) => !axes.includes(i));
  return [withContents(kept, x.dtype, x.contents)];
};

const unsqueezeShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const given = axesOf(op, 1, "axes");
  if (x.shape === null || given === undefined) return [ofShape(null, x.dtype)];
  const rank = x.shape.length + given.length;
  const axes = normalizeAxes(given, rank);
  if (axes === null || new Set(axes).size !== axes.length) return [ofShape(null, x.dtype)];
  const rest = [...x.shape];
  const out = Array.from({ length: rank }, (_, i) => (axes.includes(i) ? 1 : rest.shift()!));
  return [withContents(out, x.dtype, x.contents)];
};

const castShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const to =
    op.node.opType === "CastLike" ? (op.inputs[1]?.dtype ?? "unknown") : dtypeAttribute(op, "to", "unknown");
  const convert = (c: number) => {
    if (to === "bool") return c === 0 ? 0 : 1;
    if (/^u?int/.test(to)) return Math.trunc(c);
    return to === "float32" ? Math.fround(c) : c;
  };
  const contents = x.contents?.map((c) => (c === null ? null : convert(c)));
  return [withContents(x.shape, to, contents)];
};

const castConstant: ConstantRule = ({ at, output }) => {
  if (at === 1) return bounded(0, "only the type of this input matters");
  return isFloatType(output.dtype)
    ? bounded(1, "a change of floating-point type (rounding aside)")
    : unbounded(`a cast to ${output.dtype} jumps`);
};

const castJoin: JoinRule = ({ signals, outputs }) =>
  isFloatType(outputs[0].dtype)
    ? {
        constants: signals.map((i) => (i === 0 ? 1 : 0)),
        join: "sum",
        because: "a change of floating-point type",
      }
    : { unbounded: `a cast to ${outputs[0].dtype} jumps` };

const nonzero = (x: number) => (x === 0 ? 0 : 1);

function nonzeroImage(lo: number, hi: number): Interval {
  if (lo > 0 || hi < 0) return [1, 1];
  return lo === 0 && hi === 0 ? [0, 0] : [0, 1];
}

/** A cast of floats to whole numbers or truth values. */
function step(f: (x: number) => number, interval: (lo: number, hi: number) => Interval) {
  return stepOperation(
    (x) => x.map(f),
    ({ lo, hi }) => ({
      lo: lo.map((a, i) => interval(a, hi[i])[0]),
      hi: hi.map((b, i) => interval(lo[i], b)[1]),
    }),
  );
}

/** Between floating-point types entries stay what they are: the network computes with the stored numbers. */
const cast: OperationRule = (binding) => {
  const from = binding.inputs[0]?.dtype ?? "unknown";
  const to = binding.outputs[0]?.dtype ?? "unknown";
  if (![from, to].every((t) => t === "bool" || isFloatType(t) || /^u?int/.test(t))) {
    return `a cast from ${from} to ${to} is not covered`;
  }
  if (binding.signals[0] !== 0) return "only the type of its input 1 matters, and its input 0 is constant";
  if (to === "bool") return otherSignal(binding) ?? step(nonzero, nonzeroImage);
  if (isFloatType(from) && !isFloatType(to)) {
    return otherSignal(binding) ?? step(Math.trunc, (lo, hi) => [Math.trunc(lo), Math.trunc(hi)]);
  }
  const { kind, parts } = sameEntries(binding);
  return {
    kind,
    parts: [...parts, ...binding.signals.slice(1).map((i) => ignored(binding, i, parts[0].rows))],
  };
};

/** The zero matrix: what an input does of which only the type matters. */
function ignored({ inputs }: Binding, input: number, rows: number): LinearPart {
  return movedPart(new Int32Array(rows).fill(-1), sizeOf(inputs[input]?.shape ?? []));
}

const dropoutShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  return [x, ofShape(x.shape, "bool")];
};

const dropoutConstant: ConstantRule = ({ node, scope }) => {
  const training = node.inputs[2] ?? "";
  const off = training === "" || knownContents(scope.value(training))?.[0] === 0;
  return off ? bounded(1, "the identity when the network is used") : unbounded("dropout in training mode");
};

/** The identity, with a mask of ones. */
const dropout: OperationRule = (binding) => {
  const training = binding.inputs[2];
  if (training !== undefined && training.data?.[0] !== 0)
    return "dropout in training mode draws random numbers";
  const other = otherSignal(binding);
  if (other !== undefined) return other;
  const [y, mask] = binding.outputs;
  if (mask === undefined) return sameEntries(binding);
  const n = sizeOf(mask.shape);
  const own = y === undefined ? 0 : n;
  const sources = Int32Array.from({ length: own + n }, (_, i) => (i < own ? i : -1));
  return movedOperation(sources, n, new Float64Array(own + n).fill(1, own));
};

const reshape = (shape: ShapeRule): OperatorRule => ({
  shape,
  constant: isometry,
  operation: (binding) => otherSignal(binding) ?? sameEntries(binding),
});

/** Operators that leave the entries in their order: reshapes, casts, dropout when the network is used. */
export const reshapeRules: OperatorRules = {
  Identity: reshape((op) => [op.inputs[0] ?? UNKNOWN]),
  Reshape: reshape(reshapeShape),
  Flatten: reshape(flattenShape),
  Squeeze: reshape(squeezeShape),
  Unsqueeze: reshape(unsqueezeShape),
  Cast: { shape: castShape, constant: castConstant, operation: cast },
  CastLike: { shape: castShape, constant: castConstant, anyInput: true, join: castJoin, operation: cast },
  // The mask is constant.
  Dropout: { shape: dropoutShape, constant: dropoutConstant, jointOutputs: true, operation: dropout },
};
