import { elementCount, type Shape } from "../graph.ts";

/** Axes of two shapes that hold the same elements: runs of `from` and `to` with equal products. Axes of size 1 are left out. */
export interface ReshapeGroup {
  readonly from: readonly number[];
  readonly to: readonly number[];
}

/** The finest grouping of the axes of two shapes of equally many elements; undefined for arrays without elements. */
export function reshapeGroups(from: Shape, to: Shape): ReshapeGroup[] | undefined {
  if (elementCount(from) === 0) return undefined;
  const sources = wideAxes(from);
  const targets = wideAxes(to);
  const groups: ReshapeGroup[] = [];
  let s = 0;
  let t = 0;
  while (s < sources.length) {
    const group = { from: [sources[s]], to: [targets[t]] };
    let left = from[sources[s++]];
    let right = to[targets[t++]];
    while (left !== right) {
      if (left < right) {
        group.from.push(sources[s]);
        left *= from[sources[s++]];
      } else {
        group.to.push(targets[t]);
        right *= to[targets[t++]];
      }
    }
    groups.push(group);
  }
  return groups;
}

/** The axes that are not of size 1. */
export function wideAxes(shape: Shape): number[] {
  return shape.flatMap((size, axis) => (size === 1 ? [] : [axis]));
}

/** Whether numbers go up by one each. */
export function consecutive(values: readonly number[]): boolean {
  return values.every((value, i) => i === 0 || value === values[i - 1] + 1);
}

export function inversePermutation(permutation: readonly number[]): number[] {
  const inverse = new Array<number>(permutation.length);
  for (const [i, axis] of permutation.entries()) inverse[axis] = i;
  return inverse;
}
