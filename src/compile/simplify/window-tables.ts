import { elementCount, IndexTable, type Shape } from "../graph.ts";

/**
 * How two indices name a place along one axis: (a·strideA + b·strideB + offset) / dilation, where that is a whole number
 * within the axis; elsewhere there is a zero.
 */
export interface WindowAxis {
  readonly size: number;
  readonly countA: number;
  readonly countB: number;
  readonly strideA: number;
  readonly strideB: number;
  readonly offset: number;
  readonly dilation: number;
}

/** Places along the flattened axes, for all indices a of all axes, then all indices b. */
export function windowTable(axes: readonly WindowAxis[]): IndexTable {
  const shape = [...axes.map((axis) => axis.countA), ...axes.map((axis) => axis.countB)];
  const key = axes.map((axis) => Object.values(axis).join(" ")).join("; ");
  const places = axes.map(placesAlong);
  return new IndexTable(
    `windows ${key}`,
    shape,
    tabulate(shape, (index) => {
      let place = 0;
      for (const [i, axis] of axes.entries()) {
        const along = places[i][index[i] * axis.countB + index[axes.length + i]];
        if (along === -1) return -1;
        place = place * axis.size + along;
      }
      return place;
    }),
  );
}

function placesAlong({ size, countA, countB, strideA, strideB, offset, dilation }: WindowAxis): Int32Array {
  return tabulate([countA, countB], ([a, b]) => {
    const place = (a * strideA + b * strideB + offset) / dilation;
    return Number.isInteger(place) && place >= 0 && place < size ? place : -1;
  });
}

/** Values of a function of indices, row-major. */
export function tabulate(shape: Shape, value: (index: readonly number[]) => number): Int32Array {
  const result = new Int32Array(elementCount(shape));
  const index = new Array<number>(shape.length).fill(0);
  for (let i = 0; i < result.length; i++) {
    result[i] = value(index);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis]++;
      if (index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
  return result;
}
