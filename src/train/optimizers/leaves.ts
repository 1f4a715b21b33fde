import { tree } from "@jax-js/jax";
import { TrainError } from "../errors.ts";
import type { Tensor, Tree } from "../types.ts";

/** The arrays of a tree, in the order of its structure; neither lent once more nor consumed. */
export function leavesOf(given: Tree): Tensor[] {
  return tree.leaves(given as never) as unknown as Tensor[];
}

/** A tree of the structure of `like` from arrays in its order. */
export function treeLike(like: Tree, leaves: readonly Tensor[]): Tree {
  return tree.unflatten(tree.structure(like as never), leaves as never) as unknown as Tree;
}

/**
 * The arrays of a tree, once its structure is known to be that of `like`.
 * @throws TrainError naming `what` when the structures differ.
 */
export function leavesLike(what: string, given: Tree, like: Tree): Tensor[] {
  const [actual, expected] = [given, like].map((each) => String(tree.structure(each as never)));
  if (actual === expected) return leavesOf(given);
  throw new TrainError(
    `${what} is not of the structure of the parameters: it is ${shorten(actual)}, they are ${shorten(expected)}. Was it made for this network?`,
  );
}

function shorten(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 197)}...`;
}
