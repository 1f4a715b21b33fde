import type { Tensor, Tree } from "../types.ts";

/** An array of a tree and its path, "2.weight". */
export interface NamedLeaf {
  readonly name: string;
  readonly leaf: Tensor;
}

/** The arrays of a tree with their paths, in the order of jax-js's `tree.leaves`; none is lent once more. */
export function namedLeaves(given: Tree, path = ""): NamedLeaf[] {
  const below = (name: string | number) => (path === "" ? String(name) : `${path}.${name}`);
  if (Array.isArray(given)) return given.flatMap((member, i) => namedLeaves(member, below(i)));
  if (given.constructor === Object) {
    return Object.entries(given as { [name: string]: Tree }).flatMap(([name, member]) =>
      namedLeaves(member, below(name)),
    );
  }
  return [{ name: path, leaf: given as Tensor }];
}
