import { matrixFrobeniusUp } from "./frobenius.ts";
import { leavesOf, type ScaledLeaf } from "./leaves.ts";
import { type ProductError, productError, UNDERFLOW } from "./lower-bound.ts";
import type { LinearOperator } from "./operator.ts";
import { reshapedFactorUp } from "./reshaped.ts";
import { addUp, gamma, mulUp, sqrtUp } from "./rounding.ts";
import { mostCopies } from "./symbol-grid.ts";
import { product } from "./taps.ts";

/** A rough but rigorous ceiling of an operator's norm, and how far a computed product may be from the true one. */
interface Roughness {
  readonly ceiling: number;
  /** Per unit ‖v‖. */
  readonly rounding: number;
  /** Whatever ‖v‖. */
  readonly underflow: number;
}

/** Of c·A from that of A, multiplied by one factor after the other. */
function scaledRoughness({ ceiling, rounding, underflow }: Roughness, factors: readonly number[]): Roughness {
  const whole = factors.reduce(mulUp, ceiling);
  const carried = factors.reduce(mulUp, rounding);
  const own = mulUp(gamma(factors.length), addUp(whole, carried));
  return {
    ceiling: whole,
    rounding: factors.length === 0 ? rounding : addUp(carried, own),
    underflow: factors.reduce((u, c) => addUp(mulUp(u, c), UNDERFLOW), underflow),
  };
}

/** Of one product with a matrix or kernel: `terms` products per entry, each part of the ceiling. */
function plainRoughness(ceiling: number, terms: number): Roughness {
  const { relative, absolute } = productError(terms, 1);
  return { ceiling, rounding: mulUp(relative, ceiling), underflow: absolute };
}

/** Null where only products are known. */
function leafRoughness({ leaf, factors }: ScaledLeaf): Roughness | null {
  // The innermost factor, listed last, multiplies first.
  const inwards = [...factors].reverse();
  if (leaf.kind === "dense") {
    return scaledRoughness(plainRoughness(matrixFrobeniusUp(leaf.entries), leaf.cols), inwards);
  }
  if (leaf.kind === "composition") {
    const inner = compositionRoughness(leaf.parts);
    return inner && scaledRoughness(inner, inwards);
  }
  if (leaf.kind !== "convolution") return null;
  const { kernel, kernelShape, geometry, inputSize } = leaf;
  const size = kernelShape.slice(2);
  const copies = inputSize.reduce((n, s, a) => n * mostCopies(s, geometry.padding[a]!, geometry.boundary), 1);
  const factor = mulUp(reshapedFactorUp(size, geometry.strides, geometry.dilations), sqrtUp(copies));
  const ceiling = mulUp(factor, matrixFrobeniusUp(kernel));
  // The adjoint adds up what falls on one pixel, from every output channel and tap.
  const terms = Math.max(kernelShape[0]!, kernelShape[1]!) * product(size) * copies;
  return scaledRoughness(plainRoughness(ceiling, terms), inwards);
}

/** The largest of the leaves', which act side by side. */
function operatorRoughness(operator: LinearOperator): Roughness | null {
  const leaves = leavesOf(operator).map(leafRoughness);
  if (leaves.some((leaf) => leaf === null)) return null;
  const known = leaves as Roughness[];
  return {
    ceiling: Math.max(...known.map((leaf) => leaf.ceiling)),
    rounding: Math.max(...known.map((leaf) => leaf.rounding)),
    underflow: known.reduce((sum, leaf) => addUp(sum, leaf.underflow), 0),
  };
}

/** With ceilings Nᵢ and roundings eᵢ of the parts, ∏(Nᵢ + eᵢ) − ∏Nᵢ. */
function compositionRoughness(parts: readonly LinearOperator[]): Roughness | null {
  let whole: Roughness = { ceiling: 1, rounding: 0, underflow: 0 };
  for (const part of [...parts].reverse()) {
    const next = operatorRoughness(part);
    if (next === null) return null;
    const most = addUp(next.ceiling, next.rounding);
    whole = {
      ceiling: mulUp(whole.ceiling, next.ceiling),
      rounding: addUp(mulUp(whole.rounding, most), mulUp(whole.ceiling, next.rounding)),
      underflow: addUp(mulUp(whole.underflow, most), next.underflow),
    };
  }
  return whole;
}

/**
 * How far a composition's computed product may be from the true one, in absolute terms because the parts' products
 * may cancel. Where some part is known only by its products, the whole is taken to be as accurate as a dense matrix
 * of the parts' sizes.
 */
export function compositionError(parts: readonly LinearOperator[]): ProductError {
  const known = compositionRoughness(parts);
  if (known !== null) return { absolute: addUp(known.rounding, known.underflow), relative: 0 };
  const terms = parts.reduce((sum, p) => sum + Math.max(p.rows, p.cols), 0);
  return productError(terms, Math.min(...parts.map((p) => Math.min(p.rows, p.cols))));
}
