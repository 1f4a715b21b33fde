import type { CertifyReport } from "../audit/certify-schema.ts";
import type { AuditReport, NetworkReport } from "../audit/schema.ts";

/** The three networks of the tour. */
export type TourName = "plain" | "spectral" | "orthonormal";

/** What `lipschitz tour --json` prints, `lipschitz.tour/1`. Stable; fields are only added. */
export interface TourReport {
  readonly schema: "lipschitz.tour/1";
  /** Wall-clock time of the whole. */
  readonly seconds: number;
  /** The seed of weights and shuffles, as given or as drawn (decimal string). */
  readonly seed: string;
  /** What computed the training steps: "native" (onnxruntime), or "jax" where it is not installed. */
  readonly device: string;
  readonly data: { readonly train: number; readonly test: number };
  readonly networks: readonly TourNetworkReport[];
  /** The HTML file, as written; null when none was. */
  readonly report: string | null;
}

export interface TourNetworkReport {
  readonly name: TourName;
  /** Share of the test digits that are classified as labelled. */
  readonly accuracy: number;
  /** The exported file's interval, by its audit at `proof`. */
  readonly lipschitz: NetworkReport["lipschitz"];
  /** By ε (an ℓ2 length; pixels are in [0, 1]): share of the test digits that no change that short can turn. */
  readonly certified: Readonly<Record<string, number>>;
  /** By ε: share of the attacked digits, see `attackedSample`, that are right and were not turned. */
  readonly attacked: Readonly<Record<string, number>>;
  /**
   * The attacked digits alone, the first of the test digits: how many, the share classified as labelled, and by ε the share
   * certified. The share that no change within ε can turn lies between this `certified` and `attacked`.
   */
  readonly attackedSample: {
    readonly points: number;
    readonly clean: number;
    readonly certified: Readonly<Record<string, number>>;
  };
  /** Digits that the attack turned inside their certified radius: 0, or something is wrong. */
  readonly violations: number;
  /** Seconds of training alone. */
  readonly seconds: number;
  /** The ONNX file. */
  readonly model: string;
}

/** All that the tour saw: what its page is drawn from. */
export interface TourStory {
  readonly report: TourReport;
  readonly settings: { readonly batch: number; readonly attackSteps: number };
  readonly networks: readonly TourNetwork[];
  readonly digits: readonly FooledDigit[];
}

export interface TourNetwork {
  readonly name: TourName;
  readonly training: TrainingCurves;
  readonly audit: AuditReport;
  readonly certificates: CertifyReport;
}

/** Series over the steps of training; all of the same length. */
export interface TrainingCurves {
  readonly steps: readonly number[];
  readonly loss: readonly number[];
  /** σ₁ of the weight that each layer uses, as estimated while training. */
  readonly sigma: readonly { readonly layer: string; readonly values: readonly number[] }[];
}

/** One test digit under attack in every network: the picture, and the shortest change found that turns each. */
export interface FooledDigit {
  /** Which of the test digits, from 0. */
  readonly index: number;
  readonly label: number;
  /** 28 × 28, rows from the top, 0 to 1. */
  readonly pixels: Float64Array;
  readonly turned: readonly {
    readonly name: TourName;
    /** The changed picture, what the network sees in it, and the length of the change; null where the attack found none. */
    readonly change: {
      readonly pixels: Float64Array;
      readonly predicted: number;
      readonly distance: number;
    } | null;
    readonly certifiedRadius: number;
  }[];
}
