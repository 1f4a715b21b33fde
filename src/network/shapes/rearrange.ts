import { intAttribute, intsAttribute } from "../attributes.ts";
import type { Application, ShapeRule, ShapeRules } from "./rule.ts";
import { shapeFromContents } from "./source.ts";
import {
  asDim,
  broadcastOffsets,
  broadcastShapes,
  type Dim,
  elementCount,
  entriesOf,
  isKnown,
  knownContents,
  MAX_CONTENTS,
  normalizeAxes,
  normalizeAxis,
  ofShape,
  rowMajorStrides,
  type Shape,
  stridedOffsets,
  UNKNOWN,
  unknownDims,
  withContents,
} from "./value.ts";

/** An integer list that older operator sets keep in an attribute and newer ones take as an input. */
export function axesOf(op: Application, input: number, attribute: string): readonly number[] | undefined {
  return intsAttribute(op.node, attribute) ?? knownContents(op.inputs[input]);
}

function product(dims: Shape): number | null {
  return elementCount(dims);
}

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
  const rest = product(input.filter((_, i) => !(copied[i] ?? false)));
  const others = product(dims.filter((_, i) => i !== free && !copied[i]));
  if (rest === null || others === null || others === 0 || rest % others !== 0 || copied[free]) return dims;
  dims[free] = rest / others;
  return dims;
}

const reshape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const attribute = intsAttribute(op.node, "shape");
  const entries = attribute ?? op.inputs[1]?.contents;
  if (entries === undefined) return [ofShape(shapeFromContents(op.inputs[1]), x.dtype)];
  const out = reshaped(x.shape, entries, intAttribute(op.node, "allowzero") === 1);
  return [withContents(out, x.dtype, x.contents)];
};

const flatten: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const axis = intAttribute(op.node, "axis") ?? 1;
  if (x.shape === null) return [ofShape(unknownDims(2), x.dtype)];
  const at = axis < 0 ? axis + x.shape.length : axis;
  if (at < 0 || at > x.shape.length) return [];
  return [withContents([product(x.shape.slice(0, at)), product(x.shape.slice(at))], x.dtype, x.contents)];
};

const squeeze: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  if (x.shape === null) return [ofShape(null, x.dtype)];
  const given = axesOf(op, 1, "axes");
  if (given === undefined) {
    if (op.inputs[1] !== undefined || x.shape.includes(null)) return [ofShape(null, x.dtype)];
    return [
      withContents(
        x.shape.filter((d) => d !== 1),
        x.dtype,
        x.contents,
      ),
    ];
  }
  const axes = normalizeAxes(given, x.shape.length);
  if (axes === null) return [ofShape(null, x.dtype)];
  return [
    withContents(
      x.shape.filter((_, i) => !axes.includes(i)),
      x.dtype,
      x.contents,
    ),
  ];
};

const unsqueeze: ShapeRule = (op) => {
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

const transpose: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const { shape } = x;
  const given = intsAttribute(op.node, "perm");
  if (shape === null) return [ofShape(given ? unknownDims(given.length) : null, x.dtype)];
  const perm = given ?? shape.map((_, i) => shape.length - 1 - i);
  if (perm.length !== shape.length || !shape.every((_, i) => perm.includes(i)))
    return [ofShape(null, x.dtype)];
  const out = perm.map((p) => shape[p]);
  if (x.contents === undefined || !isKnown(shape)) return [ofShape(out, x.dtype)];
  const strides = rowMajorStrides(shape);
  const offsets = stridedOffsets(
    out as number[],
    perm.map((p) => strides[p]),
  );
  const { contents } = x;
  return [
    withContents(
      out,
      x.dtype,
      offsets.map((o) => contents[o]),
    ),
  ];
};

const expand: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const out = broadcastShapes(x.shape, shapeFromContents(op.inputs[1]));
  const count = elementCount(out);
  const { contents } = x;
  if (contents === undefined || count === null || count > MAX_CONTENTS) return [ofShape(out, x.dtype)];
  const offsets = broadcastOffsets(x.shape as number[], out as number[]);
  return [
    withContents(
      out,
      x.dtype,
      offsets.map((o) => contents[o]),
    ),
  ];
};

const tile: ShapeRule = (op) => {
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

const depthToSpace: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const block = intAttribute(op.node, "blocksize");
  if (block === undefined || block < 1 || x.shape?.length !== 4) return [ofShape(unknownDims(4), x.dtype)];
  const [n, c, h, w] = x.shape;
  const area = block * block;
  const times = (d: Dim) => (d === null ? null : d * block);
  const channels = c === null || c % area !== 0 ? null : c / area;
  return [ofShape([n, channels, times(h), times(w)], x.dtype)];
};

const spaceToDepth: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const block = intAttribute(op.node, "blocksize");
  if (block === undefined || block < 1 || x.shape?.length !== 4) return [ofShape(unknownDims(4), x.dtype)];
  const [n, c, h, w] = x.shape;
  const part = (d: Dim) => (d === null ? null : Math.floor(d / block));
  return [ofShape([n, c === null ? null : c * block * block, part(h), part(w)], x.dtype)];
};

const concat: ShapeRule = (op) => {
  const values = op.inputs.map((v) => v ?? UNKNOWN);
  const dtype = values[0]?.dtype ?? "unknown";
  const shaped = values.map((v) => v.shape).filter((s) => s !== null);
  if (shaped.length === 0) return [ofShape(null, dtype)];
  const rank = shaped[0].length;
  const axis = normalizeAxis(intAttribute(op.node, "axis") ?? 1, rank);
  if (axis === null || shaped.some((s) => s.length !== rank)) return [ofShape(null, dtype)];
  const out = shaped[0].map((_, i) => {
    if (i !== axis) return shaped.map((s) => s[i]).find((d) => d !== null) ?? null;
    return shaped.length < values.length
      ? null
      : shaped.reduce<Dim>((sum, s) => (sum === null || s[i] === null ? null : sum + s[i]), 0);
  });
  const count = elementCount(out);
  if (rank !== 1 || count === null || count > MAX_CONTENTS) return [ofShape(out, dtype)];
  return [
    withContents(
      out,
      dtype,
      values.flatMap((v) => entriesOf(v) ?? []),
    ),
  ];
};

function equalParts(op: Application): readonly number[] | undefined {
  const parts = op.node.outputs.length;
  const axis = intAttribute(op.node, "axis") ?? 0;
  const shape = op.inputs[0]?.shape;
  const at = shape ? normalizeAxis(axis, shape.length) : null;
  const size = shape && at !== null ? shape[at] : null;
  if (size === null || parts < 1) return undefined;
  const each = Math.ceil(size / parts);
  return Array.from({ length: parts }, (_, i) => Math.max(Math.min(each, size - i * each), 0));
}

const split: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const { shape } = x;
  if (shape === null) return op.node.outputs.map(() => ofShape(null, x.dtype));
  const axis = normalizeAxis(intAttribute(op.node, "axis") ?? 0, shape.length);
  if (axis === null) return [];
  const given = axesOf(op, 1, "split");
  const unreadable = given === undefined && op.inputs[1] !== undefined;
  const sizes = unreadable ? undefined : (given ?? equalParts(op));
  let start = 0;
  return op.node.outputs.map((_, k) => {
    const size = asDim(sizes?.[k]);
    const out = shape.map((d, i) => (i === axis ? size : d));
    const contents = shape.length === 1 && size !== null ? x.contents?.slice(start, start + size) : undefined;
    start += size ?? 0;
    return withContents(out, x.dtype, contents);
  });
};

const columnToImage: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const image = shapeFromContents(op.inputs[1]);
  const block = knownContents(op.inputs[2]);
  const channels = x.shape?.[1] ?? null;
  if (image === null) return [];
  const taps = block?.reduce((a, b) => a * b, 1);
  return [
    ofShape(
      [x.shape?.[0] ?? null, channels === null || !taps ? null : asDim(channels / taps), ...image],
      x.dtype,
    ),
  ];
};

/** Operators that move, repeat, join or split elements. */
export const rearrangeRules: ShapeRules = {
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: transpose,
  Expand: expand,
  Tile: tile,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
  Concat: concat,
  Split: split,
  Col2Im: columnToImage,
};
