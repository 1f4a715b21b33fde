import type { Shape } from "../graph.ts";
import { wideAxes } from "../simplify/reshape-groups.ts";
import type { Lowering } from "./lowering.ts";

/** A transposition without axes of size 1, axes that stay neighbours joined. */
interface Compact {
  readonly shape: readonly number[];
  readonly permutation: readonly number[];
}

function compact(shape: Shape, permutation: readonly number[]): Compact {
  const wide = permutation.filter((axis) => shape[axis] !== 1);
  const places = wideAxes(shape);
  const runs: number[][] = [];
  for (const [i, axis] of wide.entries()) {
    const place = places.indexOf(axis);
    if (i > 0 && place === places.indexOf(wide[i - 1]) + 1) runs[runs.length - 1].push(axis);
    else runs.push([axis]);
  }
  const order = runs.toSorted((a, b) => a[0] - b[0]);
  return {
    shape: order.map((run) => run.reduce((size, axis) => size * shape[axis], 1)),
    permutation: runs.map((run) => order.indexOf(run)),
  };
}

/** Whether a permutation takes one axis elsewhere and leaves the order of the others: onnxruntime is fast at those. */
function movesOne(permutation: readonly number[]): boolean {
  return permutation.some((axis) => {
    const others = permutation.filter((other) => other !== axis);
    return others.every((other, i) => i === 0 || other > others[i - 1]);
  });
}

/** Elements in a row that are copied as fast as memory goes. */
const LONG_RUN = 64;

/**
 * Writes a transposition so that onnxruntime is fast at it: with as few axes as it has, and three axes whose order is
 * turned around in two moves of one axis each.
 */
export function transposed(
  lowering: Lowering,
  name: string,
  shape: Shape,
  permutation: readonly number[],
): string {
  const { emitter } = lowering;
  const small = compact(shape, permutation);
  const result = permutation.map((axis) => shape[axis]);
  if (small.permutation.every((axis, i) => axis === i)) return lowering.reshape(name, shape, result);
  if (movesOne(permutation) && !shape.includes(1))
    return emitter.op("Transpose", [name], { perm: permutation });
  const source = lowering.reshape(name, shape, small.shape);
  const moved = small.permutation.map((axis) => small.shape[axis]);
  return lowering.reshape(turned(lowering, source, small), moved, result);
}

function turned(lowering: Lowering, name: string, { shape, permutation }: Compact): string {
  const { emitter } = lowering;
  const move = (x: string, perm: readonly number[]) => emitter.op("Transpose", [x], { perm });
  if (permutation.length !== 3 || movesOne(permutation)) return move(name, permutation);
  const [a, b, c] = shape;
  // Either order does; the first step keeps runs of the last axis, or the second has long ones to move.
  if (c >= LONG_RUN) {
    const rows = lowering.reshape(move(name, [1, 0, 2]), [b, a, c], [b * a, c]);
    return lowering.reshape(move(rows, [1, 0]), [c, b * a], [c, b, a]);
  }
  const columns = lowering.reshape(move(name, [0, 2, 1]), [a, c, b], [a, c * b]);
  return lowering.reshape(move(columns, [1, 0]), [c * b, a], [c, b, a]);
}
