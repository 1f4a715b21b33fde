import type { Metrics, Setting } from "./study.ts";

/** A study's document, `lipschitz.study/1`. */
export interface StudyReport {
  readonly schema: "lipschitz.study/1";
  readonly study: string;
  readonly title: string;
  readonly claim: string;
  readonly settings: {
    readonly version: string;
    readonly revision: number;
    readonly quick: boolean;
    readonly seeds: number;
    readonly device: string;
    /** Runs at a time, one thread each. */
    readonly threads: number;
  };
  /** Of this call; `runSeconds` is the sum over all runs, those of earlier calls included. */
  readonly seconds: number;
  readonly runSeconds: number;
  readonly arms: readonly CellReport[];
  readonly sweeps: readonly SweepReport[];
  readonly findings: readonly FindingReport[];
  readonly published: readonly PublishedResult[];
  readonly files: readonly string[];
}

/** An arm in one experiment and variant. */
export interface CellReport {
  /** The arm's. */
  readonly name: string;
  readonly experiment: string;
  readonly variant: string;
  readonly setting: Setting;
  readonly learningRate: number | null;
  readonly runs: readonly ({ readonly seed: number; readonly seconds: number } & Metrics)[];
  readonly summary: Readonly<Record<string, Summary | Readonly<Record<string, Summary>>>>;
}

/** Over the seeds; `std` has n − 1 below, and is 0 for one run. Means are over the `count` runs that have the number. */
export interface Summary {
  readonly mean: number | null;
  readonly std: number | null;
  readonly count: number;
}

/** How a learning rate was chosen. */
export interface SweepReport {
  readonly tuning: string;
  readonly experiment: string;
  readonly arm: string;
  readonly score: string;
  readonly better: "higher" | "lower";
  readonly rates: readonly { readonly learningRate: number; readonly score: number | null }[];
  readonly chosen: number;
  /** What a cell that this sweep decides takes into its setting. */
  readonly choice?: Setting;
}

/** A claim, and what the runs say of it. */
export interface FindingReport {
  readonly claim: string;
  readonly verdict: "holds" | "holds in part" | "does not hold" | "not measured";
  /** The numbers, in a sentence or two. */
  readonly because: string;
}

export interface PublishedResult {
  readonly name: string;
  readonly metrics: Readonly<Record<string, number | string>>;
  /** Where it was published, and what was different there. */
  readonly source: string;
}
