import type { NativeArray } from "../../compile/native-array.ts";
import type { TensorEntry } from "../../formats/model.ts";
import { namedLeaves } from "../trainer/names.ts";
import type { Tensor, Tree } from "../types.ts";
import { CheckpointError } from "./checkpoint-error.ts";
import { type OpenWeights, readArray } from "./decode.ts";

/** Differences listed in a message; one is often enough to see what is wrong, and networks are large. */
const MOST_LISTED = 8;

export interface FitOptions {
  /** Names of the file for a path of the tree; the first that the file has is taken. */
  readonly namesOf: (path: string) => readonly string[];
  /** Whether an array may be missing; it then stays as it is. */
  readonly isOptional: (path: string) => boolean;
  /** Names in the file that nothing in the tree asks for, if those are an error: given a name, whether it is. */
  readonly isUnexpected: (name: string) => boolean;
}

/** Arrays of a tree taken from a file. */
export interface Fitted {
  /** The tree with the file's arrays, those that were missing lent once more; the caller's. */
  readonly tree: Tree;
  /** Paths of those that were missing. */
  readonly missing: readonly string[];
}

/**
 * The arrays of a file in the structure of a tree. Lends the tree.
 * @throws CheckpointError naming every array that is missing, has another shape or type, or belongs to nothing.
 */
export async function fitted(weights: OpenWeights, like: Tree, options: FitOptions): Promise<Fitted> {
  const leaves = namedLeaves(like);
  const found = new Map<string, TensorEntry>();
  const taken = new Set<string>();
  const missing: string[] = [];
  const problems: string[] = [];
  for (const { name, leaf } of leaves) {
    const names = options.namesOf(name);
    const entry = names.map((each) => weights.entries.get(each)).find((each) => each !== undefined);
    if (entry === undefined) {
      if (!options.isOptional(name)) problems.push(`${names[0]} is missing from the file`);
      missing.push(name);
      continue;
    }
    taken.add(entry.name);
    if (entry.dtype !== leaf.dtype || String(entry.shape) !== String(leaf.shape)) {
      problems.push(
        `${entry.name} is ${entry.dtype} [${entry.shape}] in the file, ${leaf.dtype} [${leaf.shape}] in this network`,
      );
    }
    found.set(name, entry);
  }
  for (const name of weights.entries.keys()) {
    if (!taken.has(name) && options.isUnexpected(name)) problems.push(`${name} is not in this network`);
  }
  if (problems.length > 0) throw mismatch(weights.name, problems);
  const read = new Map<string, NativeArray>();
  for (const [name, entry] of found) read.set(name, await readArray(entry));
  return { tree: replaced(like, "", read), missing };
}

function mismatch(file: string, problems: readonly string[]): CheckpointError {
  const listed = problems.slice(0, MOST_LISTED).join("; ");
  const more = problems.length > MOST_LISTED ? `; and ${problems.length - MOST_LISTED} more` : "";
  return new CheckpointError(
    `${file} does not fit this network: ${listed}${more}. Build the network, its controls and its optimiser as they were when the file was saved.`,
  );
}

/** The tree with the arrays at the given paths replaced, the others lent once more. */
function replaced(given: Tree, path: string, arrays: ReadonlyMap<string, NativeArray>): Tree {
  const below = (name: string | number) => (path === "" ? String(name) : `${path}.${name}`);
  if (Array.isArray(given)) return given.map((member, i) => replaced(member, below(i), arrays));
  if (given.constructor === Object) {
    return Object.fromEntries(
      Object.entries(given as { [name: string]: Tree }).map(([name, member]) => [
        name,
        replaced(member, below(name), arrays),
      ]),
    );
  }
  // Arrays of a compiled function stand where jax-js's own do: compiled functions take either.
  return (arrays.get(path) as unknown as Tensor) ?? (given as Tensor).ref;
}
