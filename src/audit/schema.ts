import type { Guarantee } from "../linalg/bound.ts";
import type { Boundary } from "../linalg/geometry.ts";
import type { OperatorKind } from "../network/use.ts";

/** The audit report, `lipschitz.audit/1`: what `--json` prints and every reporter reads. Stable; fields are only added. */
export interface AuditReport {
  readonly schema: "lipschitz.audit/1";
  readonly model: {
    /** Main file first. */
    readonly files: readonly string[];
    /** "safetensors", "onnx", "npy", "npz" or "pytorch". */
    readonly format: string;
    /** Of all files. */
    readonly bytes: number;
    /** Stored numbers, all tensors. */
    readonly parameters: number;
  };
  readonly settings: {
    readonly guarantee: Guarantee;
    /** Chance that any upper bound in this report is too small: the union over its layers; 0 at `proof`. */
    readonly failureProbability: number | null;
    /** The seed as given, or as drawn from the operating system (decimal string). */
    readonly seed: string;
    readonly threads: number;
    /** Of lipschitz. */
    readonly version: string;
    /** Options that were given, and the memory allowed. */
    readonly [key: string]: unknown;
  };
  /** How much of the file has a bound, as [covered, total]. */
  readonly coverage: {
    readonly tensors: readonly [number, number];
    readonly parameters: readonly [number, number];
    /** Weights in scope (within `--only`) that have no bound: unsupported types, unreadable, not finite. */
    readonly unaudited?: readonly string[];
  };
  /** One entry per use of a weight, in the order of the graph or the file. */
  readonly layers: readonly LayerReport[];
  /** null for a file without a graph. */
  readonly network: NetworkReport | null;
  /** Of the file, of single weights and of the network; warnings about single layers stand with the layers. */
  readonly problems: readonly Problem[];
}

/** Bounds of one σ₁. */
export interface SigmaReport {
  /** Certain, rounding errors included. */
  readonly lower: number;
  /** null at `estimate`, or where no finite bound is known. */
  readonly upper: number | null;
  /** At `estimate` only. */
  readonly estimate?: number;
  readonly guarantee: Guarantee;
  readonly method: string;
  readonly iterations?: number;
}

/** How a convolution slides over its input. */
export interface GeometryReport {
  /** [channels, ...spatial]; null entries where unknown. */
  readonly inputShape: readonly (number | null)[];
  readonly strides: readonly number[];
  readonly padding: readonly (readonly [number, number])[];
  readonly dilations: readonly number[];
  readonly groups: number;
  readonly boundary: Boundary;
}

/** One use of a weight. */
export interface LayerReport {
  /** The graph's node, or the tensor where there is no graph. */
  readonly name: string;
  /** The stored tensor's name. */
  readonly weight: string;
  readonly operator: OperatorKind;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly geometry?: GeometryReport;
  /** null when the weight could not be read or holds a NaN or infinity (then `problems` says so). */
  readonly sigma: SigmaReport | null;
  /** Convolutions only: the norm of the kernel reshaped to c_out × (c_in·k), what other tools call the spectral norm. */
  readonly reshapedSigma?: { readonly lower: number; readonly upper: number | null };
  /** Of the stored tensor; null when unreadable. */
  readonly frobenius: number | null;
  /** ‖W‖_F²/σ² (convolutions: σ of the reshaped kernel); null when unknown or zero. */
  readonly stableRank: number | null;
  /**
   * Leading singular values, largest first, where they were asked for (the HTML report's spectrum): of the operator
   * itself, for a convolution at its input size, not of the reshaped kernel. Each is within 1 % of a singular value
   * but no bound; equal ones appear once. Absent at `estimate`, for stacks of matrices, for grouped convolutions and
   * those at an unknown size, and where a large or proved convolution was bounded by its symbol alone.
   */
  readonly spectrum?: readonly number[];
  readonly problems: readonly string[];
}

/** What is known of the whole network (ℓ2, per example). */
export interface NetworkReport {
  readonly lipschitz: {
    readonly lower: number | null;
    readonly upper: number | null;
    readonly guarantee: Guarantee;
    readonly method: "eclipse-fast" | "product";
  };
  /** The graph's bound by rules alone (joins add, activations count); null if unbounded. */
  readonly product: number | null;
  readonly cascade: readonly {
    readonly node: string;
    readonly op: string;
    readonly factor: number;
    readonly cumulative: number;
    readonly because: string;
  }[];
  readonly unbounded: readonly { readonly node: string; readonly op: string; readonly because: string }[];
  /** Where the whole has no bound: the longest parts between unbounded nodes that have one, longest first. */
  readonly stretches?: readonly {
    readonly from: string;
    readonly to: string;
    /** Weight layers on its longest way. */
    readonly layers: number;
    readonly upper: number;
  }[];
  /** The layer to normalise first: the network's bound if its σ came down to 1. */
  readonly steepest?: { readonly layer: string; readonly upper: number };
  /** What the search for steep places saw: the largest σ₁ of a Jacobian (computed, no bound) over so many points. */
  readonly sampled?: { readonly seen: number; readonly points: number };
  /** Bounds over balls round given points. */
  readonly local?: LocalReport;
  /** Why the network could not be run, so that `lower` is 0 and `upper` is by rules alone. */
  readonly notRun?: string;
}

/** Lipschitz bounds over balls (ℓ2) round given points. */
export interface LocalReport {
  readonly radius: number;
  /** Points in the file; those bounded are its first. */
  readonly total: number;
  readonly points: readonly {
    /** Over the ball; null where no finite bound is known. */
    readonly upper: number | null;
    /** σ₁ of the Jacobian at the point: computed, no bound. */
    readonly seen: number;
    /** Share of units whose slope is one number all over the ball. */
    readonly fixedUnits: number;
  }[];
}

/** Something that went wrong or should be known, and where. */
export interface Problem {
  readonly severity: "error" | "warning";
  /** Layer, tensor, file or node concerned. */
  readonly where: string;
  readonly message: string;
  /** What kind of problem with a weight, for programs. */
  readonly code?: "not-finite" | "unreadable" | "unsupported";
}
