import type { ConvolutionOperator, SizeFreeConvolution } from "./convolution.ts";
import type { DenseOperator } from "./dense.ts";
import type { LinearOperator } from "./operator.ts";
import type { AdjointOperator, CompositionOperator, DirectSumOperator, ScaledOperator } from "./operators.ts";

/** An operator known only by its products. */
export interface OpaqueOperator extends LinearOperator {
  readonly kind: "opaque";
}

/** Operators whose norm is found directly; every other kind reduces to these. */
export type Leaf =
  | DenseOperator
  | ConvolutionOperator
  | SizeFreeConvolution
  | CompositionOperator
  | OpaqueOperator;

/** A leaf whose norm counts the product of `factors` times. */
export interface ScaledLeaf {
  readonly leaf: Leaf;
  /** Each ≥ 0. */
  readonly factors: readonly number[];
}

type KnownOperator =
  | DenseOperator
  | ConvolutionOperator
  | SizeFreeConvolution
  | CompositionOperator
  | AdjointOperator
  | ScaledOperator
  | DirectSumOperator;

/**
 * The leaves whose largest scaled norm is the operator's: an adjoint has the norm of what it transposes, a scaled
 * operator |c| times that, a direct sum the largest of its parts.
 */
export function leavesOf(
  operator: LinearOperator | SizeFreeConvolution,
  factors: readonly number[] = [],
): ScaledLeaf[] {
  if (!("kind" in operator)) return [{ leaf: { ...bound(operator), kind: "opaque" }, factors }];
  const known = operator as KnownOperator;
  switch (known.kind) {
    case "adjoint":
      return leavesOf(known.of, factors);
    case "scaled":
      return leavesOf(known.of, [...factors, Math.abs(known.factor)]);
    case "direct-sum":
      return known.parts.flatMap((part) => leavesOf(part, factors));
    default:
      return [{ leaf: known, factors }];
  }
}

/** The user's operator with its methods bound, whatever class it came from. */
function bound(operator: LinearOperator): LinearOperator {
  return {
    rows: operator.rows,
    cols: operator.cols,
    apply: (x) => operator.apply(x),
    adjoint: (y) => operator.adjoint(y),
  };
}
