import type { TensorEntry } from "../formats/model.ts";
import type { ConvolutionGeometry } from "../linalg/geometry.ts";

/** What a weight does where it is used; the report's `operator`. */
export type OperatorKind = "dense" | "conv" | "conv-transpose" | "embedding" | "recurrent";

/** Stored elements read as one or more row-major matrices; the operator's norm is the largest of theirs. */
export interface MatrixLayout {
  readonly kind: "matrix";
  /** Number of consecutive matrices (batched MatMul, directions of a recurrent layer). */
  readonly count: number;
  readonly rows: number;
  readonly cols: number;
}

/**
 * Stored elements read as a convolution kernel c_out × (c_in/groups) × spatial axes. For a transposed convolution
 * this is the kernel of the forward convolution whose adjoint it is (ONNX and PyTorch store exactly that), and
 * `geometry.inputSize` is the transposed operator's *output* size.
 */
export interface ConvolutionLayout {
  readonly kind: "convolution";
  /** [c_out, c_in/groups, k₁, …, k_D] after `permutation`. */
  readonly kernelShape: readonly number[];
  /** Axes of the stored tensor in the order of kernelShape, where a constant Transpose stands between. */
  readonly permutation?: readonly number[];
  readonly geometry: ConvolutionGeometry;
}

/** One use of one stored weight as a linear operator. A weight used twice gives two. */
export interface WeightUse {
  /** Node name, or the tensor's name where there is no graph. */
  readonly name: string;
  /** As stored, or a dequantised view of it (`network/dequantized.ts`). */
  readonly weight: TensorEntry;
  readonly operator: OperatorKind;
  readonly layout: MatrixLayout | ConvolutionLayout;
  /** The operator is this multiple of the stored one (|alpha| of a Gemm); 1 when absent. */
  readonly scale?: number;
  /** The operator rounds its input or output to integers: its weight is linear, the operator is not. */
  readonly roundsActivations?: true;
  /** What the user should know about this use (unknown input size, fallback taken …). */
  readonly problems: readonly string[];
}

/** A tensor that is no linear operator, or one we cannot audit, and why. */
export interface SkippedTensor {
  readonly tensor: TensorEntry;
  readonly because: string;
  /** True when it holds weights that a user would expect to see audited (quantised, complex …): a warning. */
  readonly warn: boolean;
}

/** One step of a pure chain from input to output. */
export interface ChainStep {
  readonly node: string;
  readonly op: string;
  /** The weight use whose norm is this step's factor, or its own Lipschitz constant (already rounded up). */
  readonly factor: { readonly use: WeightUse } | { readonly constant: number };
  readonly because: string;
}

/** How a model's weights act, found without reading any large tensor. */
export interface WeightPlan {
  readonly uses: readonly WeightUse[];
  readonly skipped: readonly SkippedTensor[];
  /**
   * The network as a pure chain, when it is one and every step has a finite constant; "unbounded" names the nodes
   * that have none; null for a file without a graph or a graph that branches.
   */
  readonly chain: readonly ChainStep[] | null;
  readonly unbounded: readonly { readonly node: string; readonly op: string; readonly because: string }[];
  /** Why the graph is no chain, in a sentence naming the first node that joins or branches; absent for a chain. */
  readonly branching?: string;
}
