import type { Study } from "../src/study/study.ts";

interface Entry {
  readonly name: string;
  /** What it asks, for the command line's help. */
  readonly summary: string;
  /** Loads jax-js; see `MissingPartError` where that is optional. */
  load(): Promise<Study>;
}

/** Every study, in the order in which they are best read. */
export const STUDIES: readonly Entry[] = [
  {
    name: "depth",
    summary: "does it tame the cascade of stretches in deep networks?",
    load: async () => (await import("./depth.ts")).depth,
  },
  {
    name: "gan",
    summary: "does it keep GANs from losing modes?",
    load: async () => (await import("./gan.ts")).gan,
  },
  {
    name: "rnn",
    summary: "does it let recurrent networks remember?",
    load: async () => (await import("./rnn.ts")).rnn,
  },
  {
    name: "robust",
    summary: "does it make classifiers robust?",
    load: async () => (await import("./robust.ts")).robust,
  },
  {
    name: "physics",
    summary: "does it keep learned simulators plausible?",
    load: async () => (await import("./physics.ts")).physics,
  },
  {
    name: "penalty",
    summary: "is it just another weight decay?",
    load: async () => (await import("./penalty.ts")).penalty,
  },
];

/** The studies' entry with this name. */
export function studyNamed(name: string): Entry | undefined {
  return STUDIES.find((entry) => entry.name === name);
}
