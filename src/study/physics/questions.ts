import type { RunRecord, StudyResults } from "../study.ts";
import type { Curves, TrialDetail, TrialSetting } from "./trial.ts";

export const ARMS = [
  { name: "none", title: "unconstrained", about: "Weights as they are." },
  {
    name: "decay",
    title: "weight decay",
    about: "λ/2·‖W‖² of every weight is added to the loss; λ is in the tables.",
  },
  {
    name: "spectral",
    title: "spectral norm",
    about: "Every weight is scaled to one singular value σ₁, so that f is at most c-Lipschitz in x + h·f(x).",
  },
] as const;

export type SystemKey = TrialSetting["system"];

/** One question: a system, what is given to learn it, and the arms' own constants. */
export interface Question {
  readonly experiment: string;
  /** Of the cells; "" where the experiment has one system only. */
  readonly variant: string;
  readonly title: string;
  readonly setting: TrialSetting;
  readonly rates: readonly number[];
}

const PENDULUM = {
  ...{ rows: 300, noise: 0.005, steps: 2000, target: 0.07 },
  ...{ cap: 4, decay: 1e-4, starts: 16, horizons: 100 },
};
const FIELD = {
  ...{ rows: 500, noise: 0.02, steps: 1500, target: 0.47 },
  ...{ cap: 10, decay: 1e-3, starts: 8, horizons: 100 },
};
const RATES = [2e-3, 5e-3, 1e-2];

export const QUESTIONS: readonly Question[] = [
  question("pendulum", "damped", "damped pendulum", { system: "damped", ...PENDULUM }),
  question("pendulum", "undamped", "undamped pendulum", { system: "undamped", ...PENDULUM }),
  question("heat", "", "heat", { system: "heat", ...FIELD }),
  question("burgers", "", "Burgers", { system: "burgers", ...FIELD, target: 0.45, cap: 20 }),
  question("kuramoto", "", "Kuramoto–Sivashinsky", {
    ...{ system: "kuramoto", ...FIELD },
    ...{ rows: 1000, noise: 0.002, target: 0.5, cap: 15 },
  }),
  question("landing", "", "landing", {
    ...{ system: "landing", rows: 200, noise: 0.2, steps: 3000, target: 0.85 },
    ...{ cap: 2, decay: 1e-3, starts: 20, horizons: 1 },
  }),
];

function question(experiment: string, variant: string, title: string, setting: TrialSetting): Question {
  const rates = setting.system === "landing" ? RATES.map((rate) => rate / 2) : RATES;
  return { experiment, variant, title, setting, rates };
}

export function questionOf(system: SystemKey): Question {
  return QUESTIONS.find(({ setting }) => setting.system === system)!;
}

/** The runs of an arm on a system with the arm's own constants. */
export function runsOf(results: StudyResults, system: SystemKey, arm: string): readonly RunRecord[] {
  const { experiment, variant } = questionOf(system);
  return results.records(experiment, arm, variant);
}

/** What a run's figures draw of a network; null for a landing. */
export function curvesOf({ detail }: RunRecord, which: keyof TrialDetail): Curves | null {
  const found = (detail as unknown as TrialDetail | null)?.[which];
  return found && "peak" in found ? found : null;
}

export function capitalised(text: string): string {
  return text[0].toUpperCase() + text.slice(1);
}
