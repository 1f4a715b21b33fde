import type { Node } from "../graph.ts";
import type { ElementType } from "../lowered.ts";
import { isEmpty, type Lower, type Lowering, type Lowerings } from "./lowering.ts";

/** Types that TopK lacks or that leave no room for NaN, and ones that hold their values. */
const KEY_TYPES: Readonly<Partial<Record<ElementType, ElementType | "int64">>> = {
  bool: "int32",
  uint32: "int64",
  float16: "float32",
};

const LARGEST = {
  float32: 2 ** 127 * (2 - 2 ** -23),
  float64: Number.MAX_VALUE,
} as const;

/** The stable ascending order of the last axis, int64, NaN last. */
function order(lowering: Lowering, x: Node): string {
  const { emitter } = lowering;
  const size = x.shape[x.shape.length - 1];
  const attributes = { axis: -1, largest: 0, sorted: 1 };
  return emitter.multi("TopK", [key(lowering, x), emitter.integers([size])], 2, attributes)[1];
}

/** What TopK orders as x is to be ordered: it has no place for NaN, so infinity makes room for it. */
function key(lowering: Lowering, x: Node): string {
  const { emitter } = lowering;
  const type = KEY_TYPES[x.dtype] ?? x.dtype;
  const name = type === x.dtype ? lowering.name(x) : lowering.cast(lowering.name(x), type);
  if (type !== "float32" && type !== "float64") return name;
  const bounded = emitter.op("Min", [name, emitter.scalar(LARGEST[type], type)]);
  const last = emitter.scalar(Number.POSITIVE_INFINITY, type);
  return emitter.op("Where", [emitter.op("IsNaN", [name]), last, bounded]);
}

const sort: Lower<"sort"> = (lowering, node) => {
  const [x] = node.inputs;
  if (isEmpty(x)) return lowering.name(x);
  return lowering.emitter.op("GatherElements", [lowering.name(x), order(lowering, x)], { axis: -1 });
};

const argsort: Lower<"argsort"> = (lowering, { inputs: [x] }) =>
  lowering.cast(isEmpty(x) ? lowering.name(x) : order(lowering, x), "int32");

export const SORTING: Lowerings = { sort, argsort };
