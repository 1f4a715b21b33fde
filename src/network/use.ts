import type { TensorEntry } from "../formats/model.ts";
import type { OnnxNode } from "../formats/onnx/types.ts";
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
  /** As stored, or computed from it (`network/derived.ts`): dequantised, or folded. */
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

/** One factor of a node's steepness: the norm of a weight use, or a Lipschitz constant (already rounded up). */
export interface GraphStep {
  readonly factor: { readonly use: WeightUse } | { readonly constant: number };
  readonly because: string;
}

/**
 * One node between the network's inputs and outputs. Its results together move by at most the product of its steps
 * times: Σ wᵢ‖Δxᵢ‖ ("sum"), √Σ(wᵢ‖Δxᵢ‖)² ("euclidean"), or max wᵢ‖Δxᵢ‖ ("either", one of several branches).
 */
export interface GraphNode {
  readonly node: string;
  readonly op: string;
  readonly source: OnnxNode;
  /** Values it takes that depend on the network's input, by key. */
  readonly takes: readonly string[];
  /** Values it gives, by key. */
  readonly gives: readonly string[];
  readonly join: "sum" | "euclidean" | "either";
  /** One per value taken, rounded up. */
  readonly weights: readonly number[];
  readonly steps: readonly GraphStep[];
  /** What the join does, where there is more than one value. */
  readonly because?: string;
  /** Why it has no finite constant. */
  readonly unbounded?: string;
}

/** A network as a graph of values that depend on its inputs, each after what it is computed from. */
export interface GraphPlan {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodes: readonly GraphNode[];
}

/** How a model's weights act, found without reading any large tensor. */
export interface WeightPlan {
  readonly uses: readonly WeightUse[];
  readonly skipped: readonly SkippedTensor[];
  /** The network's graph; null for a file without one. */
  readonly graph: GraphPlan | null;
}
