import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { type ConvolutionOperator, convolution, convolutionAnySize } from "../../src/linalg/convolution.ts";
import { convTranspose } from "../../src/linalg/convolutions.ts";
import type { Boundary } from "../../src/linalg/geometry.ts";
import type { AdjointOperator } from "../../src/linalg/operators.ts";
import { entries, type Recipe } from "./generator.ts";

/** Relative error granted to the peers' own float64 SVD, the only slack in any comparison. */
export const PEER_ERROR = 1e-12;

export interface DenseOracle {
  readonly name: string;
  readonly recipe: Recipe;
  /** First 16 hex digits of the SHA-256 of the little-endian float64 entries. */
  readonly checksum: string;
  /** Storage types that hold every entry exactly. */
  readonly dtypes: readonly string[];
  /** Largest first; at most the leading 24. */
  readonly singularValues: readonly number[];
  readonly frobenius: number;
}

export interface ConvolutionOracle {
  readonly recipe: Recipe;
  readonly checksum: string;
  /** True: the operator is the adjoint of the convolution described, applied at `inputSize` with `outputPadding`. */
  readonly transposed: boolean;
  /** [c_out, c_in/groups, k₁, …] of the forward convolution. */
  readonly kernelShape: readonly number[];
  readonly groups: number;
  readonly inputSize: readonly number[];
  readonly outputSize: readonly number[];
  readonly outputPadding?: readonly number[];
  readonly strides: readonly number[];
  readonly padding: readonly (readonly [number, number])[];
  readonly dilations: readonly number[];
  readonly boundary: Boundary;
  /** σ₁, ‖·‖_F of the explicit matrix, and σ₁ of the kernel reshaped to c_out × rest. */
  readonly sigma: number;
  readonly frobenius: number;
  readonly reshaped: number;
  /** Checksums of A x and Aᵀ y, x = integers(7, cols, 15), y = integers(8, rows, 15): exact on both sides. */
  readonly applied: string;
  readonly adjoint: string;
}

const document = JSON.parse(readFileSync(new URL("./norms.json", import.meta.url), "utf8")) as {
  readonly dense: readonly DenseOracle[];
  readonly convolutions: readonly ConvolutionOracle[];
};

export const denseOracles = document.dense;
export const convolutionOracles = document.convolutions;

/** One line that identifies a convolution case in a failure message. */
export function describeConvolution(oracle: ConvolutionOracle): string {
  const { recipe, kernelShape, inputSize, strides, padding, dilations, groups, boundary } = oracle;
  return [
    oracle.transposed ? `transposed (+${oracle.outputPadding})` : "conv",
    `${recipe.pattern} [${kernelShape}] on [${inputSize}]`,
    `strides ${strides} padding ${padding.join(" ")} dilations ${dilations} groups ${groups} ${boundary}`,
  ].join(" ");
}

/** The library's operator for a case. Kernels are exact in float32, which half of the cases use. */
export function operatorOf(
  oracle: ConvolutionOracle,
): ConvolutionOperator | AdjointOperator<ConvolutionOperator> {
  const { kernelShape, inputSize, strides, padding, dilations, groups, boundary } = oracle;
  const data = kernelOf(oracle);
  if (!oracle.transposed)
    return convolution(data, kernelShape, { inputSize, strides, padding, dilations, groups, boundary });
  const inputShape = [kernelShape[0]!, ...inputSize];
  const outputPadding = oracle.outputPadding!;
  return convTranspose(
    { data, shape: kernelShape },
    { inputShape, strides, padding, dilations, groups, outputPadding },
  );
}

/** The same convolution with its input size forgotten; its bounds must hold for this size too. */
export function sizeFreeOf(oracle: ConvolutionOracle) {
  const { kernelShape, strides, padding, dilations, groups, boundary } = oracle;
  return convolutionAnySize(kernelOf(oracle), kernelShape, { strides, padding, dilations, groups, boundary });
}

function kernelOf({ recipe }: ConvolutionOracle): Float32Array | Float64Array {
  const values = entries(recipe);
  return recipe.seed % 2 === 0 ? values : Float32Array.from(values);
}

/** First 16 hex digits of the SHA-256 of the values' little-endian bytes. */
export function checksum(values: Float64Array): string {
  return createHash("sha256").update(new Uint8Array(values.buffer)).digest("hex").slice(0, 16);
}
