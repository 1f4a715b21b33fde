import { intAttribute } from "../attributes.ts";
import type { ShapeRule } from "../shapes/rule.ts";
import {
  asDim,
  type Dim,
  isKnown,
  knownContents,
  MAX_CONTENTS,
  normalizeAxis,
  ofShape,
  rowMajorStrides,
  UNKNOWN,
  unknownDims,
  withContents,
} from "../shapes/value.ts";
import { otherSignal, sizeOf } from "./index-maps.ts";
import { stepOperation } from "./index-steps.ts";
import type { OperationRule, OperatorRules } from "./rule.ts";
import { gatherRules } from "./select-gather.ts";
import { position } from "./select-index.ts";
import { scatterRules } from "./select-scatter.ts";
import { sliceRules } from "./select-slice.ts";
import { topRules } from "./select-top.ts";

const JUMPS = "it jumps, so no Lipschitz constant is finite";

const oneHotShape: ShapeRule = (op) => {
  const indices = op.inputs[0]?.shape ?? null;
  if (indices === null) return [];
  const axis = normalizeAxis(intAttribute(op.node, "axis") ?? -1, indices.length + 1);
  if (axis === null) return [];
  const depth: Dim = asDim(knownContents(op.inputs[1])?.[0]);
  return [
    ofShape([...indices.slice(0, axis), depth, ...indices.slice(axis)], op.inputs[2]?.dtype ?? "unknown"),
  ];
};

/** One class per index, counted from the end where negative; an index outside gives none. */
const oneHot: OperationRule = (binding) => {
  const other = otherSignal(binding);
  if (other !== undefined) return other;
  const out = binding.outputs[0]?.shape ?? [];
  const axis = normalizeAxis(intAttribute(binding.node, "axis") ?? -1, out.length);
  const values = binding.inputs[2]?.data;
  if (axis === null || values?.length !== 2) return "its axis or its two values are not known";
  const [depth, inner] = [out[axis], rowMajorStrides(out)[axis]];
  const [off, on] = values;
  const [lo, hi] = [Math.min(off, on), Math.max(off, on)];
  const forward = (x: Float64Array) => {
    const y = new Float64Array(sizeOf(out)).fill(off);
    x.forEach((index, i) => {
      const at = position(Math.trunc(index), depth);
      if (at >= 0) y[(Math.floor(i / inner) * depth + at) * inner + (i % inner)] = on;
    });
    return y;
  };
  return stepOperation(forward, () => ({
    lo: new Float64Array(sizeOf(out)).fill(lo),
    hi: new Float64Array(sizeOf(out)).fill(hi),
  }));
};

/** Indices of the nonzero entries, one column each; how many there are is only known with the entries. */
const nonZeroShape: ShapeRule = (op) => {
  const { shape, contents } = op.inputs[0] ?? UNKNOWN;
  const known = knownContents(op.inputs[0]);
  if (shape === null || known === undefined || !isKnown(shape) || contents === undefined) {
    return [ofShape([shape?.length ?? null, null], "int64")];
  }
  const found = known.flatMap((x, i) => (x === 0 ? [] : [i]));
  const strides = rowMajorStrides(shape);
  const out = [shape.length, found.length];
  if (sizeOf(out) > MAX_CONTENTS) return [ofShape(out, "int64")];
  const rows = shape.flatMap((size, axis) => found.map((i) => Math.floor(i / strides[axis]) % size));
  return [withContents(out, "int64", rows)];
};

const uniqueShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const axis = intAttribute(op.node, "axis");
  const at = axis === undefined || x.shape === null ? null : normalizeAxis(axis, x.shape.length);
  const kept =
    axis === undefined ? [null] : at === null ? null : x.shape!.map((d, i) => (i === at ? null : d));
  return [ofShape(kept, x.dtype), ...[1, 2, 3].map(() => ofShape(unknownDims(1), "int64"))];
};

/** Operators that pick entries by position, by order or by value. */
export const selectRules: OperatorRules = {
  ...sliceRules,
  ...gatherRules,
  ...scatterRules,
  ...topRules,
  OneHot: { shape: oneHotShape, constant: JUMPS, operation: oneHot },
  NonZero: { shape: nonZeroShape, constant: JUMPS },
  Unique: { shape: uniqueShape, constant: JUMPS },
  NonMaxSuppression: { shape: () => [ofShape([null, 3], "int64")], constant: JUMPS },
};
