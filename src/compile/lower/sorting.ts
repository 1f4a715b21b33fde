import type { Node } from "../graph.ts";
import type { ElementType } from "../lowered.ts";
import { isEmpty, type Lower, type Lowering, type Lowerings } from "./lowering.ts";

/** Types that TopK lacks, and ones that hold their values. */
const KEY_TYPES: Readonly<Partial<Record<ElementType, ElementType | "int64">>> = {
  bool: "int32",
  uint32: "int64",
};

const LARGEST: Readonly<Partial<Record<ElementType, number>>> = {
  float32: 2 ** 127 * (2 - 2 ** -23),
  float64: Number.MAX_VALUE,
};

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
  const name = lowering.name(x);
  const largest = LARGEST[x.dtype];
  if (largest === undefined) {
    const type = KEY_TYPES[x.dtype];
    return type === undefined ? name : lowering.cast(name, type);
  }
  const bounded = emitter.op("Min", [name, emitter.scalar(largest, x.dtype)]);
  const last = emitter.scalar(Number.POSITIVE_INFINITY, x.dtype);
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
