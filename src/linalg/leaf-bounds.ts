import { kernels } from "../kernels/index.ts";
import { type BoundOptions, DEFAULT_FAILURE_PROBABILITY } from "./analyze-options.ts";
import type { Bound } from "./bound.ts";
import { compositionError } from "./composition-error.ts";
import { type ConvolutionOperator, convolution, type SizeFreeConvolution } from "./convolution.ts";
import { type ConvolutionFacts, sizedBounds, sizeFreeBounds } from "./convolution-bounds.ts";
import { convolutionGram, hasExplicitGram } from "./convolution-gram.ts";
import { type DenseOperator, dense } from "./dense.ts";
import { NonFiniteError, OperatorError } from "./errors.ts";
import { matrixFrobeniusUp } from "./frobenius.ts";
import { transposed } from "./gram-slabs.ts";
import { type Leaf, leavesOf, type OpaqueOperator } from "./leaves.ts";
import { type ProductError, productError } from "./lower-bound.ts";
import { matrixBounds, safeScale, zeroBound } from "./matrix-bounds.ts";
import { largerBound, scaleBound } from "./norm-options.ts";
import type { LinearOperator } from "./operator.ts";
import type { CompositionOperator } from "./operators.ts";
import { type Answers, runIteration } from "./requests.ts";
import { down, mulUp, up } from "./rounding.ts";
import { estimateSigma, lanczosInterval } from "./scaled-iterations.ts";
import { symbolBound } from "./symbol-bound.ts";
import { product } from "./taps.ts";

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
      return convolutionBound(leaf, options);
    case "composition":
      return compositionBound(leaf, options);
    case "opaque":
      return opaqueBound(leaf, options);
  }
}

function denseBound(matrix: DenseOperator, options: BoundOptions): Bound {
  const { rows, cols } = matrix;
  let scan = matrix.block().scan(1);
  const scale = matrix.entries instanceof Float64Array ? safeScale(scan.maxAbs) : 1;
  const scaled =
    scale === 1
      ? matrix
      : dense(
          matrix.entries.map((a) => a * scale),
          rows,
          cols,
        );
  if (scale !== 1) scan = scaled.block().scan(1);
  const answers: Answers = {
    ...productAnswers(scaled),
    gramMatrix: (request) => gramOf(scaled, request.scale),
  };
  const facts = { rows, cols, scan, scale, gramTerms: Math.max(rows, cols) + 1 };
  const { sigma } = runIteration(matrixBounds(facts, options), answers);
  if (sigma === null) throw new NonFiniteError("the matrix");
  return sigma;
}

/** Over the shorter side. */
function gramOf({ entries, rows, cols, block }: DenseOperator, scale: number): Float64Array {
  if (rows <= cols) return kernels().gramMatrix(block(), scale);
  const bytes = new Uint8Array(entries.buffer, entries.byteOffset, entries.byteLength);
  const flipped = kernels().rowBlock(entries instanceof Float32Array ? "float32" : "float64", cols, rows);
  flipped.load(transposed(bytes, rows, cols, entries.BYTES_PER_ELEMENT), 0);
  const gram = kernels().gramMatrix(flipped, scale);
  flipped.release();
  return gram;
}

/** Products with an operator that can, where it knows how, do AᵀA in one pass. */
export function productAnswers(
  operator: LinearOperator & { gram?: (v: Float64Array, w: Float64Array) => void },
): Answers {
  return {
    apply: ({ vector }) => operator.apply(vector),
    gram({ vector }) {
      if (operator.gram === undefined) return operator.adjoint(operator.apply(vector));
      const product = new Float64Array(operator.cols);
      operator.gram(vector, product);
      return product;
    },
  };
}

function convolutionBound(leaf: ConvolutionOperator | SizeFreeConvolution, options: BoundOptions): Bound {
  const { kernelShape, geometry } = leaf;
  const frobenius = matrixFrobeniusUp(leaf.kernel);
  if (Number.isNaN(frobenius)) throw new NonFiniteError("the convolution kernel");
  if (frobenius === 0) return zeroBound();
  const reshaped = denseBound(dense(leaf.kernel, kernelShape[0]!, product(kernelShape.slice(1))), options);
  const scale = safeScale(frobenius);
  const values = scale === 1 ? leaf.kernel : leaf.kernel.map((w) => w * scale);
  const facts: ConvolutionFacts = {
    kernelShape,
    geometry,
    frobenius: up(frobenius * scale),
    scale,
    reshaped,
  };
  const kernel = {
    values,
    channelsOut: kernelShape[0]!,
    channelsIn: kernelShape[1]!,
    groups: geometry.groups,
    size: kernelShape.slice(2),
  };
  const symbols: Answers = { symbolBound: (request) => symbolBound(kernel, request.grid, request.options) };
  if (leaf.kind === "convolution-any-size")
    return runIteration(sizeFreeBounds(facts, options), symbols).sigma;
  const operator = scale === 1 ? leaf : convolution(values, kernelShape, leaf.geometry);
  const positions = product(leaf.outputSize);
  const explicitGram = hasExplicitGram(operator) ? () => convolutionGram(operator) : null;
  const sized = { ...facts, rows: leaf.rows, cols: leaf.cols, positions, explicitGram };
  return runIteration(sizedBounds(sized, options), { ...symbols, ...productAnswers(operator) }).sigma;
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

/** How far the operator's computed products may be from the true ones. */
export function operatorError(operator: LinearOperator): ProductError {
  const [leaf, ...others] = leavesOf(operator);
  if (others.length === 0 && leaf!.leaf.kind === "composition") return compositionError(leaf!.leaf.parts);
  // Sums of products no longer than the larger side, scalings and block structure included.
  return productError(Math.max(operator.rows, operator.cols) + 4, Math.min(operator.rows, operator.cols));
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

/** Bounds from products alone. */
function productsBound(operator: LinearOperator, error: ProductError, options: BoundOptions): Bound {
  const facts = { cols: operator.cols, scale: 1, error };
  const answers = productAnswers(operator);
  if (options.guarantee === "estimate") return runIteration(estimateSigma(facts, options), answers).sigma;
  const { interval } = runIteration(lanczosInterval(facts, options), answers);
  const failureProbability = options.failureProbability ?? DEFAULT_FAILURE_PROBABILITY;
  return {
    lower: down(interval.lower),
    upper: interval.upper,
    guarantee: "probable",
    method: "lanczos",
    iterations: interval.steps,
    failureProbability,
  };
}
