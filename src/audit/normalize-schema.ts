import type { TensorEntry } from "../formats/model.ts";
import type { Content } from "./content.ts";
import type { OutputsReport, PointsSource } from "./output-change.ts";
import type { PreserveReport } from "./preserve.ts";
import type { AuditProgress } from "./run.ts";
import type { NetworkReport, Problem, SigmaReport } from "./schema.ts";
import type { CommonOptions, Settings } from "./settings.ts";
import type { NormalizeMethod } from "./shrink.ts";

export interface NormalizeOptions extends CommonOptions {
  /** Target C of every layer, default 1. */
  readonly to?: number | undefined;
  /**
   * "divide" (default): every layer's σ becomes C. "cap": only where it is above C. "clip": singular values above C
   * become C, the others stay; dense weights only.
   */
  readonly method?: NormalizeMethod | undefined;
  /** Instead of `to`: one common factor for all layers that brings the network's bound to this. */
  readonly network?: number | undefined;
  /**
   * Multiply biases and other constants along with the weights, so that the outputs are the old ones times a constant.
   * ONNX models of positively homogeneous operators only (ReLU, max-pooling, …); weights on one side of a join may end
   * below their target.
   */
  readonly preserve?: boolean | undefined;
  /** Points (.npz with `x`, .npy or IDX) to report the change of an ONNX model's outputs on. */
  readonly data?: PointsSource | undefined;
  /** Called as weights are read and files written, many times per layer. */
  readonly onProgress?: ((progress: NormalizeProgress) => void) | undefined;
}

/**
 * Where normalizing is; bytes and places count within the phase. While writing, `layer` is the file's name;
 * while comparing outputs, the data's, and a byte is a point.
 */
export interface NormalizeProgress extends AuditProgress {
  readonly phase: "measuring" | "writing" | "certifying" | "comparing";
}

/** `lipschitz.normalize/1`. */
export interface NormalizeReport {
  readonly schema: "lipschitz.normalize/1";
  /** The model's main file. */
  readonly input: string;
  /** null until written. */
  readonly output: string | null;
  readonly settings: {
    readonly guarantee: Settings["guarantee"];
    /** Chance that any upper bound of any attempt at any layer is too small; 0 at `proof`. */
    readonly failureProbability: number;
    /** The seed as given, or as drawn from the operating system (decimal string). */
    readonly seed: string;
    readonly threads: number;
    /** Of lipschitz. */
    readonly version: string;
    readonly method: NormalizeMethod;
    /** Target of every layer's σ; null where the network had one. */
    readonly to: number | null;
    /** Limit of the network's bound; null where every layer had a target. */
    readonly network: number | null;
  };
  /** One per use of a changed or measured weight; quantised and computed ones stay as they are and are named in `problems`. */
  readonly layers: readonly NormalizedLayer[];
  /** null without a graph; bounds are null where a layer outside `only` was not measured. */
  readonly network: {
    readonly before: NetworkReport["lipschitz"];
    readonly after: NetworkReport["lipschitz"];
  } | null;
  /** With `preserve`: how the outputs follow from the old ones; absent where a promise is not kept. */
  readonly preserve?: PreserveReport;
  /** With `data`: how the outputs changed; absent until written. */
  readonly outputs?: OutputsReport;
  /** True when every promise holds for the rounded numbers. */
  readonly kept: boolean;
  /** Errors say why a promise is not kept. */
  readonly problems: readonly Problem[];
}

/** One use of a weight, before and after. */
export interface NormalizedLayer {
  readonly name: string;
  /** The stored tensor's name. */
  readonly weight: string;
  /** σ in the input file; null where it could not be measured. */
  readonly before: SigmaReport | null;
  /** σ of the numbers as rounded to the file's type; null where it could not be measured. */
  readonly after: SigmaReport | null;
  /** The elements were multiplied by this; null where singular values were clipped. */
  readonly factor: number | null;
}

/** New weights that are known to keep the promise, not written yet. */
export interface Normalization {
  readonly report: NormalizeReport;
  /** New elements of a changed tensor, or null for one that stays. */
  content(entry: TensorEntry): Content | null;
  /**
   * Writes the model (and its shards or external data) under a new name: to a temporary folder beside it, read back
   * and measured again there, then renamed. Nothing appears under the final names unless all of it is right.
   * @returns the report with `output` filled in.
   * @throws UsageError when the name says another format; PromiseError when the promise is not kept; WriteError when the files cannot be written.
   */
  write(outPath: string): Promise<NormalizeReport>;
}
