import { bounded, type ConstantRule, unbounded } from "../constants/rule.ts";
import { shapeFromContents } from "../shapes/inputs.ts";
import type { ShapeRule } from "../shapes/rule.ts";
import {
  asDim,
  broadcastOffsets,
  broadcastShapes,
  elementCount,
  knownContents,
  MAX_CONTENTS,
  ofShape,
  rowMajorStrides,
  UNKNOWN,
  withContents,
} from "../shapes/value.ts";
import { copied } from "./index-constants.ts";
import { axisRange, movedOperation, otherSignal, separableSources, sizeOf } from "./index-maps.ts";
import type { Binding, OperationRule, OperatorRules } from "./rule.ts";

const expandShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const out = broadcastShapes(x.shape, shapeFromContents(op.inputs[1]));
  const count = elementCount(out);
  const { contents } = x;
  if (contents === undefined || count === null || count > MAX_CONTENTS) return [ofShape(out, x.dtype)];
  const offsets = broadcastOffsets(x.shape as number[], out as number[]);
  const repeated = offsets.map((o) => contents[o]);
  return [withContents(out, x.dtype, repeated)];
};

const expandConstant: ConstantRule = ({ input, output }) => {
  const [before, after] = [elementCount(input.shape), elementCount(output.shape)];
  if (after === 0) return bounded(0, "its output is empty");
  if (before === null || after === null || before === 0)
    return unbounded("how often it copies entries is unknown; give the sizes of the inputs");
  return copied(after / before);
};

const tileShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const repeats = op.inputs[1]?.contents;
  if (x.shape === null) return [ofShape(shapeFromContents(op.inputs[1])?.map(() => null) ?? null, x.dtype)];
  const out = x.shape.map((d, i) => {
    const r = asDim(repeats?.[i]);
    return d === null || r === null ? null : d * r;
  });
  const times = knownContents(op.inputs[1])?.[0];
  const { contents } = x;
  if (!contents?.length || x.shape.length !== 1 || times === undefined || out[0]! > MAX_CONTENTS) {
    return [ofShape(out, x.dtype)];
  }
  return [withContents(out, x.dtype, new Array(times).fill(contents).flat())];
};

const tileConstant: ConstantRule = ({ node, scope }) => {
  const repeats = knownContents(scope.value(node.inputs[1] ?? ""));
  if (repeats === undefined) return unbounded("how often it copies entries is unknown");
  return copied(Math.max(sizeOf(repeats), 1));
};

/** Each axis read again from the start when it ends: the axes of size 1 of an Expand, all those of a Tile. */
function repeated(binding: Binding): ReturnType<OperationRule> {
  const other = otherSignal(binding);
  const from = binding.inputs[0]?.shape ?? [];
  const to = binding.outputs[0]?.shape ?? [];
  if (other !== undefined) return other;
  const shape = [...new Array<number>(to.length - from.length).fill(1), ...from];
  const strides = rowMajorStrides(shape);
  const axes = to.map((size, axis) => axisRange(size, 1).map((i) => (i % shape[axis]) * strides[axis]));
  return movedOperation(separableSources(axes), sizeOf(from));
}

/** Operators that repeat entries. */
export const copyRules: OperatorRules = {
  Expand: { shape: expandShape, constant: expandConstant, operation: repeated },
  Tile: { shape: tileShape, constant: tileConstant, operation: repeated },
};
