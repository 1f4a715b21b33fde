import { matrixFrobeniusUp } from "./frobenius.ts";
import { leavesOf, type ScaledLeaf } from "./leaves.ts";
import { type ProductError, productError } from "./lower-bound.ts";
import type { LinearOperator } from "./operator.ts";
import { reshapedFactorUp } from "./reshaped.ts";
import { addUp, mulUp, sqrtUp } from "./rounding.ts";
import { mostCopies } from "./symbol-grid.ts";
import { product } from "./taps.ts";

/** A rough but rigorous ceiling of a leaf's norm, and the rounding of one product with it per unit ‖v‖. */
interface Roughness {
  readonly ceiling: number;
  readonly rounding: number;
}

function roughnessOf({ leaf, factors }: ScaledLeaf): Roughness | null {
  const scaled = (ceiling: number, terms: number, rank: number): Roughness => {
    const whole = factors.reduce(mulUp, ceiling);
    const relative = productError(terms + factors.length, rank).relative;
    return { ceiling: whole, rounding: mulUp(relative, whole) };
  };
  if (leaf.kind === "dense") return scaled(matrixFrobeniusUp(leaf.entries), leaf.cols, 1);
  if (leaf.kind !== "convolution") return null;
  const { kernel, kernelShape, geometry, inputSize } = leaf;
  const size = kernelShape.slice(2);
  const copies = inputSize.reduce((n, s, a) => n * mostCopies(s, geometry.padding[a]!, geometry.boundary), 1);
  const factor = mulUp(reshapedFactorUp(size, geometry.strides, geometry.dilations), sqrtUp(copies));
  return scaled(mulUp(factor, matrixFrobeniusUp(kernel)), kernelShape[1]! * product(size), 1);
}

/**
 * How far a composition's computed product may be from the true one: with ceilings Nᵢ and roundings eᵢ of its parts,
 * ∏(Nᵢ + eᵢ) − ∏Nᵢ, in absolute terms because the parts' products may cancel. A part known only by its products
 * is taken to be as accurate as a dense matrix of its size.
 */
export function compositionError(parts: readonly LinearOperator[]): ProductError {
  let ceiling = 1;
  let error = 0;
  for (const part of parts) {
    const leaves = leavesOf(part).map(roughnessOf);
    if (leaves.some((leaf) => leaf === null)) {
      const terms = parts.reduce((sum, p) => sum + Math.max(p.rows, p.cols), 0);
      return productError(terms, Math.min(...parts.map((p) => Math.min(p.rows, p.cols))));
    }
    const known = leaves as Roughness[];
    const partCeiling = Math.max(...known.map((leaf) => leaf.ceiling));
    const partRounding = Math.max(...known.map((leaf) => leaf.rounding));
    error = addUp(mulUp(error, addUp(partCeiling, partRounding)), mulUp(ceiling, partRounding));
    ceiling = mulUp(ceiling, partCeiling);
  }
  return { absolute: error, relative: 0 };
}
