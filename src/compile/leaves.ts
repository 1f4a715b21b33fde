import { Array as JaxArray, tree } from "@jax-js/jax";
import { type ArrayType, BOOLEAN_TYPE, NUMBER_TYPE } from "./array-type.ts";
import { described } from "./described.ts";
import { ArgumentError, ConsumedError, ResultError } from "./errors.ts";
import { typeOf } from "./jax-arrays.ts";
import { isTracer } from "./jax-internals.ts";
import { NativeArray, typeOfNative } from "./native-array.ts";

/** What a compiled function takes as a leaf of its arguments. */
export type Leaf = JaxArray | NativeArray | number | boolean;

/** The structure of a tree: an instance of jax-js's JsTreeDef. */
export type TreeStructure = ReturnType<typeof tree.structure>;

/** The arguments of one call, taken apart. */
export interface CallArguments {
  readonly leaves: readonly Leaf[];
  readonly types: readonly ArrayType[];
  readonly structure: TreeStructure;
  /** Equal for calls whose trees, shapes and types are equal. */
  readonly signature: string;
}

/**
 * Takes the arguments of a call apart; consumes nothing.
 * @throws ArgumentError for a leaf that is no array, number or boolean; ConsumedError for one that is used up.
 */
export function readArguments(args: readonly unknown[]): CallArguments {
  const [leaves, structure] = tree.flatten<unknown>(args as unknown[]);
  const types = leaves.map((leaf, index) => {
    const type = leafType(leaf);
    if (type === undefined) throw badArgument(args, index);
    return type;
  });
  checkReferences(args, leaves as Leaf[]);
  const signature = `${structure.toString()} ${types.map((type) => type.key).join(" ")}`;
  return { leaves: leaves as Leaf[], types, structure, signature };
}

function leafType(leaf: unknown): ArrayType | undefined {
  if (leaf instanceof NativeArray) return typeOfNative(leaf);
  if (leaf instanceof JaxArray) return typeOf(leaf);
  if (typeof leaf === "number") return NUMBER_TYPE;
  return typeof leaf === "boolean" ? BOOLEAN_TYPE : undefined;
}

/**
 * Each place that an array stands in takes one of its references.
 * @throws ConsumedError when there are too few of them.
 */
export function checkReferences(args: readonly unknown[], leaves: readonly Leaf[]): void {
  const uses = new Map<Leaf, number>();
  for (const [index, leaf] of leaves.entries()) {
    if (typeof leaf !== "object") continue;
    const count = (uses.get(leaf) ?? 0) + 1;
    uses.set(leaf, count);
    if (leaf.refCount >= count) continue;
    const place = placeOf(args, index, "argument");
    throw new ConsumedError(
      leaf.refCount === 0
        ? `compile: ${place} (${leaf.toString()}) was consumed already. Write \`.ref\` at its earlier use to keep it for this call.`
        : `compile: ${place} (${leaf.toString()}) is used ${count} times in this call but has ${leaf.refCount} ` +
            `reference${leaf.refCount === 1 ? "" : "s"}. Write \`.ref\` at every use but the last.`,
    );
  }
}

function badArgument(args: readonly unknown[], index: number): ArgumentError {
  const leaf = tree.leaves<unknown>(args as unknown[])[index];
  const place = placeOf(args, index, "argument");
  if (isTracer(leaf)) {
    return new ArgumentError(
      `compile: ${place} is being traced. A compiled function runs outside of jit, grad and other compiled functions: ` +
        "call the function it was made from there.",
    );
  }
  const hint = ArrayBuffer.isView(leaf)
    ? "Make it an array with toNative(data, shape)."
    : "Arguments are trees (plain objects and lists) of arrays, numbers and booleans.";
  return new ArgumentError(`compile: ${place} is ${described(leaf)}. ${hint}`);
}

/**
 * Checks what a function returned while it was traced.
 * @throws ResultError for a leaf that is no array, number or boolean.
 */
export function checkResult(result: unknown): void {
  for (const [index, leaf] of tree.leaves<unknown>(result).entries()) {
    if (leaf instanceof NativeArray) {
      throw new ResultError(
        `compile: ${placeOf([result], index, "result")} is ${leaf}, which the function did not compute. ` +
          "Pass it to the function as an argument.",
      );
    }
    if (isTracer(leaf) || typeof leaf === "number" || typeof leaf === "boolean") continue;
    const hint =
      leaf instanceof Promise
        ? "The function must not be async: it is traced once and returns at once."
        : "The function must return an array, or a tree (plain objects and lists) of arrays.";
    throw new ResultError(`compile: ${placeOf([result], index, "result")} is ${described(leaf)}. ${hint}`);
  }
}

/** Where the index-th leaf is, as in `argument 2, [0].weight`. */
function placeOf(trees: readonly unknown[], index: number, what: "argument" | "result"): string {
  let seen = 0;
  for (const [position, value] of trees.entries()) {
    const paths = pathsOf(value, "");
    if (index < seen + paths.length) {
      const path = paths[index - seen]!;
      const root = what === "argument" ? `argument ${position + 1}` : "the result";
      return path === "" ? root : `${root}, ${path},`;
    }
    seen += paths.length;
  }
  return what;
}

/** The path to every leaf, in the order of jax-js's `tree.flatten`. */
function pathsOf(value: unknown, path: string): string[] {
  if (Array.isArray(value)) return value.flatMap((item, i) => pathsOf(item, `${path}[${i}]`));
  if (typeof value === "object" && value !== null && value.constructor === Object) {
    return Object.entries(value).flatMap(([key, item]) =>
      pathsOf(item, /^[\w$]+$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`),
    );
  }
  return [path];
}
