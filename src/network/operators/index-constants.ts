import { bounded, type ChainNode, type Constant, type ConstantRule, rootUp } from "../constants/rule.ts";
import type { Scope } from "../scope.ts";
import { readNumbers } from "../shapes/contents.ts";
import type { Seen } from "../shapes/inputs.ts";
import { knownContents } from "../shapes/value.ts";

/** Indices read from the file for a constant, 16 Mi; more are not waited for. */
const MAX_INDICES = 1 << 24;

/** Operators whose every output entry is one of the input's, no two the same, or a constant. */
export const isometry: ConstantRule = () => bounded(1, "moves or drops entries, copies none");

/** Operators that copy entries up to `copies` times. */
export function copied(copies: number): Constant {
  return bounded(
    rootUp(copies),
    copies === 1 ? "copies no entry" : `√${copies}, up to ${copies} copies of an entry`,
  );
}

/** A node of a plan as the readers of shape rules see it. */
export function seenInPlan({ node, opset, scope }: Pick<ChainNode, "node" | "opset" | "scope">): Seen {
  return { node, opset, inputs: node.inputs.map((name) => (name === "" ? undefined : scope.value(name))) };
}

/** All elements of a constant of whole numbers, small or stored; null when they are not known. */
export async function integersOf(scope: Scope, name: string): Promise<ArrayLike<number> | null> {
  const contents = knownContents(scope.value(name));
  if (contents !== undefined) return contents;
  const tensor = scope.tensor(name);
  if (tensor === undefined || tensor.shape.reduce((a, b) => a * b, 1) > MAX_INDICES) return null;
  return (await readNumbers(tensor)) ?? null;
}
