import type { Figure } from "./figures.ts";
import type { CellReport, FindingReport, PublishedResult } from "./schema.ts";

/** Values that survive a file: what settings and details are made of. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A setting of a run: everything its result depends on besides arm, seed and learning rate. */
export type Setting = Readonly<Record<string, Json>>;

/** A number, or one for each of several named cases (such as lengths of change); null where there is none. */
export type Metric = number | null | Readonly<Record<string, number | null>>;
export type Metrics = Readonly<Record<string, Metric>>;

/** One of the ways to train that a study compares. */
export interface Arm {
  /** As in `--arms`. */
  readonly name: string;
  readonly title: string;
  /** What is done to the weights, in a few words. */
  readonly about: string;
}

/** A column of an experiment's table. */
export interface MetricColumn {
  /** Of `Metrics`; "key.case" for a metric with cases. */
  readonly key: string;
  readonly title: string;
  /** Shares are shown in percent. Default "number". */
  readonly as?: "share" | "number";
  /** Which direction is good; the best arm's value is set in bold. */
  readonly better?: "higher" | "lower";
}

/** One question of a study with one kind of run. */
export interface Experiment {
  readonly name: string;
  readonly title: string;
  /** What is run and what is measured, for the reader of the report. */
  readonly about: string;
  readonly metrics: readonly MetricColumn[];
}

/** A sweep of learning rates; its best is used by every cell that names it. */
export interface Tuning {
  readonly name: string;
  readonly experiment: string;
  readonly arm: string;
  readonly rates: readonly number[];
  /** The metric that decides, and in which direction; never one of the test set's. */
  readonly score: string;
  readonly better: "higher" | "lower";
  readonly setting: Setting;
  /** What a cell's setting takes over when this is the best of its `tunings`, such as a penalty's strength. */
  readonly choice?: Setting;
  /** Seeds per rate, none of which a run uses. Default 1. */
  readonly seeds?: number;
}

/** Runs that differ in their seed only. */
export interface Cell {
  readonly experiment: string;
  readonly arm: string;
  /** What sets this cell apart from others of its experiment and arm, such as "T = 200"; absent where nothing does. */
  readonly variant?: string;
  readonly setting: Setting;
  /** Where the learning rate comes from: a tuning's name; absent where the setting says all. */
  readonly tuning?: string;
  /** In its place: several tunings, of which the one with the best score gives its rate and its `choice`. */
  readonly tunings?: readonly string[];
  /** At most this many seeds, for runs that are dear or have no chance in them. */
  readonly seeds?: number;
}

export interface StudyPlan {
  readonly tunings: readonly Tuning[];
  readonly cells: readonly Cell[];
  /** Seeds per cell when nobody says. */
  readonly seeds: number;
  /** The first seed of runs. Default 1; another where settings were found by looking at runs with the first ones. */
  readonly firstSeed?: number;
}

/** One run, as a process is asked for it. */
export interface Task {
  readonly study: string;
  readonly kind: "sweep" | "run";
  readonly experiment: string;
  readonly arm: string;
  /** "" where the cell has none. */
  readonly variant: string;
  readonly setting: Setting;
  /** null where the setting says all. */
  readonly learningRate: number | null;
  /** Of everything random in the run; those of sweeps begin at 1001. */
  readonly seed: number;
}

export interface RunContext {
  /** Says how far the run is; cheap, may be called at every step. */
  progress(done: number, total: number): void;
}

/** What one run measured. Numbers that are not finite become null. */
export interface RunResult {
  readonly metrics: Metrics;
  /** What the figures draw. */
  readonly detail: Json;
}

/** A finished run. */
export interface RunRecord extends RunResult {
  readonly task: Task;
  readonly seconds: number;
}

/** What a study's report is made from. */
export interface StudyResults {
  /** In the plan's order; runs by seed. */
  readonly cells: readonly CellReport[];
  /** Runs of a cell with their details. */
  records(experiment: string, arm: string, variant?: string): readonly RunRecord[];
  readonly sweeps: readonly RunRecord[];
  readonly quick: boolean;
}

/** A part of the report: a claim's picture and how to read it. */
export interface Section {
  readonly id: string;
  readonly title: string;
  readonly lead: string;
  readonly figure: Figure;
}

/** A question asked of real runs: what is run, what is measured, and what the numbers say. */
export interface Study {
  readonly name: string;
  /** The question. */
  readonly title: string;
  /** What is said of spectral normalization, in one or two sentences. */
  readonly claim: string;
  /** Raised whenever the protocol changes: runs of another revision are not reused. */
  readonly revision: number;
  readonly arms: readonly Arm[];
  readonly experiments: readonly Experiment[];
  /** Results of others on the same kind of task: context, never a like-for-like comparison. */
  readonly published: readonly PublishedResult[];
  plan(scale: "quick" | "full"): StudyPlan;
  run(task: Task, context: RunContext): Promise<RunResult>;
  /** What the numbers say of the claim. Computed from them: an answer that they do not bear is not given. */
  findings(results: StudyResults): readonly FindingReport[];
  sections(results: StudyResults): readonly Section[];
}
