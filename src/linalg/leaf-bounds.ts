import { type BoundOptions, DEFAULT_FAILURE_PROBABILITY } from "./analyze-options.ts";
import type { Bound } from "./bound.ts";
import { compositionError } from "./composition-error.ts";
import type { SizeFreeConvolution } from "./convolution.ts";
import { denseBound, productAnswers } from "./dense-bounds.ts";
import { OperatorError } from "./errors.ts";
import { drained, kernelBounds } from "./kernel-bounds.ts";
import { type Leaf, leavesOf, type OpaqueOperator, type ScaledLeaf } from "./leaves.ts";
import { type ProductError, productError } from "./lower-bound.ts";
import { largerBound, scaleBound } from "./norm-options.ts";
import type { LinearOperator } from "./operator.ts";
import type { CompositionOperator } from "./operators.ts";
import { runIteration } from "./requests.ts";
import { addUp, down, mulUp, sqrtUp } from "./rounding.ts";
import { estimateSigma, lanczosInterval } from "./scaled-iterations.ts";

/** Bounds of any operator on the calling thread: those of its leaves, the largest taken. */
export function operatorBound(operator: LinearOperator | SizeFreeConvolution, options: BoundOptions): Bound {
  return leavesOf(operator)
    .map(({ leaf, factors }) => scaleBound(leafBound(leaf, options), factors))
    .reduce(largerBound);
}

/** Bounds of one leaf on the calling thread. */
export function leafBound(leaf: Leaf, options: BoundOptions): Bound {
  switch (leaf.kind) {
    case "dense":
      return denseBound(leaf, options);
    case "convolution":
    case "convolution-any-size":
      return drained(kernelBounds(leaf.kernel, leaf.kernelShape, leaf.geometry, options)).sigma;
    case "composition":
      return compositionBound(leaf, options);
    case "opaque":
      return opaqueBound(leaf, options);
  }
}

/** Lanczos on the product itself; at `proof` its upper end is the product of the parts' proofs. */
function compositionBound(composition: CompositionOperator, options: BoundOptions): Bound {
  const error = compositionError(composition.parts);
  if (options.guarantee !== "proof") return productsBound(composition, error, options);
  const uppers = composition.parts.map((part) => operatorBound(part, options).upper!);
  const { lower, iterations } = productsBound(composition, error, { ...options, guarantee: "probable" });
  return {
    lower,
    upper: uppers.reduce(mulUp),
    guarantee: "proof",
    method: "product",
    ...(iterations === undefined ? {} : { iterations }),
  };
}

/** Whether each entry of the leaf's products is one sum over a row of its matrix, so that nothing cancels between. */
function isPlain({ leaf, factors }: ScaledLeaf): boolean {
  if (factors.length > 0) return false;
  return leaf.kind === "dense" || leaf.kind === "opaque" || isZeroPadded(leaf);
}

/** Other boundaries add up several taps of one pixel. */
function isZeroPadded(leaf: Leaf): boolean {
  return leaf.kind === "convolution" && leaf.geometry.boundary === "zero";
}

/** How far the operator's computed products may be from the true ones. */
export function operatorError(operator: LinearOperator): ProductError {
  if (!leavesOf(operator).every(isPlain)) return compositionError([operator]);
  // Sums of products no longer than the larger side, block structure included.
  return productError(Math.max(operator.rows, operator.cols), Math.min(operator.rows, operator.cols));
}

function opaqueBound(operator: OpaqueOperator, options: BoundOptions): Bound {
  if (options.guarantee === "proof") {
    throw new OperatorError(
      "guarantee",
      "proof for an operator known only by its products",
      '"probable" or "estimate"',
    );
  }
  return productsBound(operator, operatorError(operator), options);
}

/** Bounds from products alone; where those may have lost what cancels between parts, the upper end allows for it. */
function productsBound(operator: LinearOperator, error: ProductError, options: BoundOptions): Bound {
  const facts = { rows: operator.rows, cols: operator.cols, scale: 1, error };
  const answers = productAnswers(operator);
  if (options.guarantee === "estimate") return runIteration(estimateSigma(facts, options), answers).sigma;
  const { interval } = runIteration(lanczosInterval(facts, options), answers);
  const failureProbability = options.failureProbability ?? DEFAULT_FAILURE_PROBABILITY;
  return {
    lower: down(interval.lower),
    upper: addUp(interval.upper, mulUp(mulUp(4, sqrtUp(interval.steps)), error.absolute)),
    guarantee: "probable",
    method: "lanczos",
    iterations: interval.steps,
    failureProbability,
  };
}
