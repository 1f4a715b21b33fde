import type { NetworkBound } from "../network/certificate.ts";

/**
 * The certificate report, `lipschitz.certify/1`: what `--json` prints and the other reporters read. Stable; fields
 * are only added. Radii and ε are ℓ2 norms of changes of the data as stored (before `scale` and `shift`). Fractions
 * are of points and exact: a whole number divided by how many there are.
 */
export interface CertifyReport {
  readonly schema: "lipschitz.certify/1";
  readonly model: {
    /** Main file first. */
    readonly files: readonly string[];
    readonly format: string;
    /** Of all files. */
    readonly bytes: number;
  };
  readonly data: {
    /** The points' file, then the labels' where it is another. */
    readonly files: readonly string[];
    /** Of one point, as the network takes it. */
    readonly shape: readonly number[];
    readonly classes: number;
  };
  readonly settings: CertifySettings;
  /** How many points there are: what `clean` and `certified` are fractions of. */
  readonly points: number;
  /** Share of the points that are classified as labelled. */
  readonly clean: number;
  /** By ε: share of the points that are right and whose certified radius is larger than ε. */
  readonly certified: Readonly<Record<string, number>>;
  /**
   * By ε: share of the `attackedPoints` that are right and for which the attack found no other class within ε.
   * Empty without an attack. The share that no change within ε can turn lies between `certified` and this, on the
   * same points.
   */
  readonly attacked: Readonly<Record<string, number>>;
  /** The first so many points were attacked; 0 without an attack. */
  readonly attackedPoints: number;
  /** `clean` and `certified` of the attacked points alone, to compare with `attacked`; null without an attack. */
  readonly attackedSample: {
    readonly clean: number;
    readonly certified: Readonly<Record<string, number>>;
  } | null;
  /** Points whose class the attack changed inside their certified radius: 0, or something is wrong. */
  readonly violations: number;
  readonly violated: readonly Violation[];
  readonly radii: RadiiReport;
  /** Per class, in order. */
  readonly classes: readonly ClassReport[];
  /**
   * Of the network as the file has it, `scale` left out: from its whole input to its whole output. Radii may rest on
   * smaller constants, of pairs of classes or of the surroundings of a point.
   */
  readonly lipschitz: NetworkBound;
  /** Wall-clock time of the whole. */
  readonly seconds: number;
}

export interface CertifySettings {
  readonly guarantee: "probable" | "proof";
  /** Chance that any certified radius in this report is too large; 0 at `proof`. */
  readonly failureProbability: number;
  /** The seed as given, or as drawn from the operating system (decimal string). */
  readonly seed: string;
  /** Of lipschitz. */
  readonly version: string;
  readonly bound: "global" | "local";
  /** Ascending. */
  readonly epsilons: readonly number[];
  readonly attack: "none" | "pgd";
  readonly attackSteps: number;
  /** The network sees x·scale + shift. */
  readonly scale: number;
  readonly shift: number;
  /** Other options that were given. */
  readonly [key: string]: unknown;
}

/** A certificate that an attack contradicts. */
export interface Violation {
  /** From 0, in the order of the file. */
  readonly point: number;
  readonly label: number;
  /** The class at the changed point. */
  readonly predicted: number;
  /** Of the change; smaller than `radius`. */
  readonly distance: number;
  readonly radius: number;
}

/** Certified radii; of a point that is classified wrongly, or undecidedly, it is 0. */
export interface RadiiReport {
  /** Of all points, the wrong ones included: at least half of them have it. Of two middle values the smaller. */
  readonly median: number;
  /** Of the right points: `counts[i]` radii lie from `edges[i]` up to below `edges[i + 1]`, in the last bin up to it. */
  readonly histogram: { readonly edges: readonly number[]; readonly counts: readonly number[] };
  /** Of each point, in the order of the file. */
  readonly values: readonly number[];
  /**
   * Of each attacked point: the shortest change found that turns its class, 0 where it is wrong to begin with, null
   * where none was found.
   */
  readonly attacked: readonly (number | null)[];
}

/** The points of one class. */
export interface ClassReport {
  readonly label: number;
  readonly points: number;
  /** Share that is classified as labelled; null without points. */
  readonly clean: number | null;
  readonly certified: Readonly<Record<string, number | null>>;
  readonly median: number | null;
}
