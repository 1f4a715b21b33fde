import { tree } from "@jax-js/jax";
import { TrainError } from "./errors.ts";
import { checkOwnCopy } from "./own-copy.ts";
import type { LayerTree, Tensor, Tree } from "./types.ts";

/** The same tree with one more reference to every array: the caller owns the result, the lender keeps its own. */
export function lend<T extends Tree>(lent: T): T {
  return tree.ref(lent);
}

/** The part of a composition's tree that belongs to one of its members. */
export function memberOf(parent: Tree, index: number): Tree {
  const member = Array.isArray(parent) ? parent[index] : undefined;
  if (member === undefined) {
    throw new TrainError(
      `The tree has no member ${index}: it is not the params or state that this network's init made (or a part of it is missing).`,
    );
  }
  return member;
}

/** A layer's tree, by name. */
export function layerTree(given: Tree): LayerTree {
  if (Array.isArray(given) || !isPlainObject(given)) {
    throw new TrainError(
      "A layer's tree must be an object of arrays by name, as this network's init made it; got a list or an array.",
    );
  }
  return given as LayerTree;
}

/** The array of that name in a layer's tree. */
export function arrayIn(given: LayerTree, name: string): Tensor {
  const found = given[name];
  if (found === undefined || Array.isArray(found) || isPlainObject(found)) {
    const names = Object.keys(given).join(", ") || "nothing";
    throw new TrainError(
      `The layer's tree has no array "${name}"; it holds ${names}. Was it made by this network's init?`,
    );
  }
  checkOwnCopy(`The layer's ${name}`, found);
  return found as Tensor;
}

function isPlainObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && value.constructor === Object;
}
