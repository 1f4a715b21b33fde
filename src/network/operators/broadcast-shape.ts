import type { Application, ShapeRule } from "../shapes/rule.ts";
import {
  broadcastOffsets,
  broadcastShapes,
  elementCount,
  entriesOf,
  isKnown,
  MAX_CONTENTS,
  ofShape,
  UNKNOWN,
  type Value,
  withContents,
} from "../shapes/value.ts";

/** Shape arithmetic joins a few operands; more would only cost memory. */
const MAX_OPERANDS = 16;

/** What an elementwise operator makes of its operands at one position. */
export type Fold = (operands: readonly number[], dtype: string, op: Application) => number;

/** Results are rounded as the runtime rounds them, so that Floor(size·scale) falls on the same side. */
function rounded(x: number, dtype: string): number {
  return dtype === "float32" ? Math.fround(x) : x;
}

/** First output like the first input. */
export const likeFirst: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  return [ofShape(x.shape, x.dtype)];
};

/** First output like the first input, as truth values. */
export const boolLikeFirst: ShapeRule = (op) => [ofShape(op.inputs[0]?.shape ?? null, "bool")];

/** The same with small contents computed. */
export function foldUnary(fold: (x: number) => number): ShapeRule {
  return (op) => {
    const x = op.inputs[0] ?? UNKNOWN;
    const contents = x.contents?.map((c) => (c === null ? null : rounded(fold(c), x.dtype)));
    return [withContents(x.shape, x.dtype, contents)];
  };
}

function broadcastAll(inputs: readonly (Value | undefined)[]): Value["shape"] {
  return inputs.map((v) => v?.shape ?? null).reduce((a, b) => broadcastShapes(a, b), [] as Value["shape"]);
}

function foldBroadcast(
  inputs: readonly Value[],
  shape: Value["shape"],
  fold: (operands: readonly (number | null)[]) => number | null,
): (number | null)[] | undefined {
  const count = elementCount(shape);
  if (!isKnown(shape) || count === null || count > MAX_CONTENTS || inputs.length > MAX_OPERANDS)
    return undefined;
  const columns: (number | null)[][] = [];
  for (const input of inputs) {
    const entries = entriesOf(input);
    if (entries === undefined || !isKnown(input.shape)) return undefined;
    columns.push(broadcastOffsets(input.shape, shape).map((o) => entries[o]));
  }
  return Array.from({ length: count }, (_, i) => fold(columns.map((c) => c[i])));
}

/**
 * Operands broadcast against each other, small contents folded.
 * @param dtype of the output, where it is not that of the first operand.
 */
export function broadcasting(fold: Fold | null, dtype?: string): ShapeRule {
  return (op) => {
    const inputs = op.inputs.map((v) => v ?? UNKNOWN);
    const type = inputs[0]?.dtype ?? "unknown";
    // Before operator set 7 the second operand was broadcast to the first, along `axis`.
    if (op.opset < 7 && inputs.length === 2) return [ofShape(inputs[0].shape, dtype ?? type)];
    const shape = broadcastAll(inputs);
    if (fold === null || !inputs.some((v) => v.contents !== undefined))
      return [ofShape(shape, dtype ?? type)];
    const contents = foldBroadcast(inputs, shape, (operands) =>
      operands.some((x) => x === null) ? null : rounded(fold(operands as number[], type, op), type),
    );
    return [withContents(shape, dtype ?? type, contents)];
  };
}

/** Condition, then, otherwise. */
export const whereShape: ShapeRule = (op) => {
  const inputs = [0, 1, 2].map((i) => op.inputs[i] ?? UNKNOWN);
  const shape = broadcastAll(inputs);
  const dtype = inputs[1].dtype;
  if (!inputs.slice(1).some((v) => v.contents !== undefined)) return [ofShape(shape, dtype)];
  const contents = foldBroadcast(inputs, shape, ([c, x, y]) =>
    c === null ? (x === y ? x : null) : c ? x : y,
  );
  return [withContents(shape, dtype, contents)];
};
