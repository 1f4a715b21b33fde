import type { OnnxNode } from "../../formats/onnx/types.ts";
import { sqrtUp } from "../../linalg/rounding.ts";
import type { Scope } from "../scope.ts";
import type { Value } from "../shapes/value.ts";

/** A node of a chain: exactly one of its inputs depends on the network's input. */
export interface ChainNode {
  readonly node: OnnxNode;
  readonly scope: Scope;
  readonly opset: number;
  /** Which input is the non-constant one. */
  readonly at: number;
  /** What is known of that input. */
  readonly input: Value;
  /** What is known of the output that the chain goes on with. */
  readonly output: Value;
}

/** An operator's Lipschitz constant (ℓ2, rounded up) with its reason, or why there is no finite one. */
export type Constant =
  | { readonly constant: number; readonly because: string }
  | { readonly unbounded: string };

/** Gives the constant of one operator; reads its constant inputs where the constant depends on them. */
export type ConstantRule = (chain: ChainNode) => Constant | Promise<Constant>;

/** Why operators of steps have no constant. */
export const JUMPS = "it jumps, so no Lipschitz constant is finite";

/** What a user can do about an operator that is steep somewhere, but not everywhere. */
export const ON_A_BALL = "bound it on a ball with --around";

/** √n rounded up, exact where n is a square: counts of copies usually are. */
export function rootUp(n: number): number {
  const root = Math.round(Math.sqrt(n));
  return root * root === n ? root : sqrtUp(n);
}

export function bounded(constant: number, because: string): Constant {
  return Number.isFinite(constant) ? { constant, because } : { unbounded: `${because}: not finite` };
}

export function unbounded(why: string): Constant {
  return { unbounded: why };
}
