import type { OnnxNode } from "../formats/onnx/types.ts";
import { type ChainNode, type Constant, unbounded } from "./constants/rule.ts";
import type { Join, JoinNode } from "./operators/rule.ts";
import { ruleOf } from "./operators/table.ts";
import { isRead, type Scope } from "./scope.ts";

const UNKNOWN = "no Lipschitz constant is known for this operator";

/** The constant of a node with one signal that applies no stored weight. */
export async function constantOf(chain: ChainNode): Promise<Constant> {
  const { node, at } = chain;
  const rule = ruleOf(node);
  if (rule?.constant === undefined) return unbounded(UNKNOWN);
  if (typeof rule.constant === "string") return unbounded(rule.constant);
  if (at !== 0 && rule.anyInput !== true) {
    return unbounded(`its input ${at} depends on the network's input, which no rule covers`);
  }
  return rule.constant(chain);
}

/** The constants of a node with several signals. */
export async function joinOf(join: JoinNode): Promise<Join> {
  const rule = ruleOf(join.node);
  if (typeof rule?.join === "function") return rule.join(join);
  if (typeof rule?.join === "string") return { unbounded: rule.join };
  if (typeof rule?.constant === "string") return { unbounded: rule.constant };
  const which = join.signals.join(", ");
  return {
    unbounded:
      rule === undefined
        ? UNKNOWN
        : `its inputs ${which} depend on the network's input, which no rule covers`,
  };
}

/** Why a node of several outputs has no constant. */
export const SEVERAL = "it gives several values that are used, and no rule bounds them together";

/** True when an output of a node other than the first is used, and its rule speaks of the first alone. */
export function givesSeveral(node: OnnxNode, scope: Scope): boolean {
  if (ruleOf(node)?.jointOutputs === true) return false;
  const named = node.outputs.filter((name) => name !== "");
  const read = (name: string) => isRead(scope, name);
  if (node.outputs[0] === "") return true;
  return named.length > 1 && (named.filter(read).length > 1 || !read(node.outputs[0]));
}
