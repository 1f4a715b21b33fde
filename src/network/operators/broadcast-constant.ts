import { mulUp } from "../../linalg/rounding.ts";
import {
  bounded,
  type ChainNode,
  type Constant,
  type ConstantRule,
  rootUp,
  unbounded,
} from "../constants/rule.ts";
import { broadcastShapes, elementCount, type Shape } from "../shapes/value.ts";
import type { Join, JoinNode, JoinRule } from "./rule.ts";

const UNKNOWN_COPIES = "how its operands are broadcast is unknown; give the input sizes";

/** What is known of a node when its operands are compared. */
type Place = Pick<ChainNode, "node" | "scope" | "opset">;

/**
 * How many copies of one input entry broadcasting against another operand makes: the product of that one's sizes
 * along axes where the input has, or may have, size 1. null when such a size is unknown.
 */
export function broadcastCopies(input: Shape | null, other: Shape | null): number | null {
  if (other === null) return null;
  return other.reduce<number | null>((copies, size, i) => {
    const axis = i - other.length + (input?.length ?? 0);
    const own = input === null ? null : axis < 0 ? 1 : input[axis];
    if (own !== null && own !== 1) return copies;
    return copies === null || size === null ? null : copies * Math.max(size, 1);
  }, 1);
}

/** Copies that all other operands together make of the entries of operand `at`; null when unknown. */
export function copiesAmong({ node, scope, opset }: Place, at: number): number | null {
  const shapes = node.inputs.map((name) => (name === "" ? [] : scope.value(name).shape));
  if (opset < 7) {
    // The first operand has the shape of the result, and the second is broadcast along an axis.
    const [all, own] = [elementCount(shapes[0]), elementCount(shapes[at])];
    return at === 0 ? 1 : all === null || !own ? null : all / own;
  }
  const others = shapes.filter((_, i) => i !== at);
  return broadcastCopies(
    shapes[at],
    others.reduce((a, b) => broadcastShapes(a, b), [] as Shape | null),
  );
}

/** The constant of an operator that copies its input where others are broadcast, and is `scale` steep in it. */
export function broadcastConstant(chain: ChainNode, scale: number, because: string): Constant {
  const copies = copiesAmong(chain, chain.at);
  if (copies === null) return unbounded(UNKNOWN_COPIES);
  if (copies === 1) return bounded(scale, because);
  const constant = scale === 1 ? rootUp(copies) : mulUp(scale, rootUp(copies));
  return bounded(constant, `${because}, and up to ${copies} copies of each input`);
}

/** The same for any operator whose slope is at most 1. */
export function broadcastContraction(because: string): ConstantRule {
  return (chain) => broadcastConstant(chain, 1, because);
}

/** Several signals: each moves the result by at most `scale` times what its copies move. */
export function broadcastJoin(
  join: JoinNode,
  how: "sum" | "euclidean",
  scale: number,
  because: string,
): Join {
  const copies = join.signals.map((at) => copiesAmong(join, at));
  if (!copies.every((n) => n !== null)) return { unbounded: UNKNOWN_COPIES };
  const constants = copies.map((n) => (scale === 1 ? rootUp(n) : mulUp(scale, rootUp(n))));
  const most = Math.max(...copies);
  return {
    constants,
    join: how,
    because: most === 1 ? because : `${because}, and up to ${most} copies of each input`,
  };
}

/** The rule of an operator that joins its signals so. */
export function joins(how: "sum" | "euclidean", because: string): JoinRule {
  return (join) => broadcastJoin(join, how, 1, because);
}
