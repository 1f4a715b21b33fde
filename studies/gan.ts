import { type ArmName, CRITICS, type CriticArm } from "../src/study/adversarial/arms.ts";
import { type DigitSetting, playDigits } from "../src/study/adversarial/digits.ts";
import { type DistanceSetting, estimateDistance, PROBLEMS } from "../src/study/adversarial/distance.ts";
import { ganFindings } from "../src/study/adversarial/findings.ts";
import { type PlanarSetting, playPlanar } from "../src/study/adversarial/planar.ts";
import { ganSections } from "../src/study/adversarial/sections.ts";
import { FIRST_SEED } from "../src/study/adversarial/seeds.ts";
import type { PublishedResult } from "../src/study/schema.ts";
import type {
  Cell,
  Experiment,
  RunContext,
  RunResult,
  Study,
  StudyPlan,
  Task,
  Tuning,
} from "../src/study/study.ts";

type Schedule = Pick<PlanarSetting, "rate" | "beta1" | "beta2" | "criticSteps">;

/** The settings of Adam in which Miyato et al. 2018 tried stability, from mild (A) to harsh (F). */
const SETTINGS = {
  A: { rate: 1e-4, beta1: 0.5, beta2: 0.9, criticSteps: 5 },
  B: { rate: 1e-4, beta1: 0.5, beta2: 0.999, criticSteps: 1 },
  C: { rate: 2e-4, beta1: 0.5, beta2: 0.999, criticSteps: 1 },
  D: { rate: 1e-3, beta1: 0.5, beta2: 0.9, criticSteps: 5 },
  E: { rate: 1e-3, beta1: 0.5, beta2: 0.999, criticSteps: 5 },
  F: { rate: 1e-3, beta1: 0.9, beta2: 0.999, criticSteps: 5 },
} as const satisfies Record<string, Schedule>;

/** Arms of all six settings. */
const MAIN: readonly ArmName[] = ["none", "clip", "gp", "sn1", "sn2", "sn4", "bjorck"];
/** Regularisers that are compared at D alone. */
const SOFT: readonly ArmName[] = ["decay", "penalty"];
const FEW: readonly ArmName[] = ["none", "clip", "gp", "sn2", "bjorck"];
const LOSSES = ["minimax", "hinge", "wasserstein"] as const;

/** Arms whose critic has a proved bound of about 1. */
const CERTIFIED: readonly ArmName[] = ["sn1", "bjorck"];
const CONVOLUTIONAL: readonly { arm: ArmName; norm: DigitSetting["norm"] | null }[] = [
  { arm: "none", norm: null },
  { arm: "gp", norm: null },
  { arm: "sn1", norm: "reshaped" },
  { arm: "sn1", norm: "operator" },
];

const ARMS = Object.entries(CRITICS).map(([name, { title, about }]) => ({ name, title, about }));

const COVERAGE = [
  { key: "modes", title: "modes", better: "higher" },
  { key: "hq", title: "high quality", as: "share", better: "higher" },
  { key: "reverseKl", title: "reverse KL", better: "lower" },
  { key: "w1", title: "sliced W1", better: "lower" },
  { key: "upper", title: "critic’s Lipschitz bound" },
  { key: "diverged", title: "diverged", as: "share", better: "lower" },
] as const;

const VEEGAN =
  "Srivastava et al. 2017 (VEEGAN, arXiv:1705.07761): no control of the critic; other networks and budgets.";
const PACGAN =
  "Lin et al. 2018 (PacGAN, arXiv:1712.04086): no control of the critic; other networks and budgets.";
const MIYATO = "Miyato et al. 2018, arXiv:1802.05957: convolutional networks on CIFAR-10 and STL-10.";

const PUBLISHED: readonly PublishedResult[] = [
  {
    name: "GAN",
    metrics: { "ring modes": 1, "ring hq": 0.993, "grid modes": 3.3, "grid hq": 0.005 },
    source: VEEGAN,
  },
  {
    name: "Unrolled GAN",
    metrics: { "ring modes": 7.6, "ring hq": 0.356, "grid modes": 23.6, "grid hq": 0.16 },
    source: VEEGAN,
  },
  {
    name: "VEEGAN",
    metrics: { "ring modes": 8, "ring hq": 0.529, "grid modes": 24.6, "grid hq": 0.4 },
    source: VEEGAN,
  },
  {
    name: "GAN",
    metrics: { "ring modes": 6.3, "ring hq": 0.982, "grid modes": 17.3, "grid hq": 0.948 },
    source: PACGAN,
  },
  {
    name: "PacGAN2",
    metrics: { "ring modes": 7.9, "ring hq": 0.956, "grid modes": 23.8, "grid hq": 0.913 },
    source: PACGAN,
  },
  {
    name: "PacGAN4",
    metrics: { "ring modes": 7.8, "ring hq": 0.959, "grid modes": 24.8, "grid hq": 0.936 },
    source: PACGAN,
  },
  { name: "spectral norm", metrics: { "settings A–F": "all six" }, source: MIYATO },
  { name: "gradient penalty", metrics: { "settings A–F": "fails at D, E, F" }, source: MIYATO },
];

const EXPERIMENTS: readonly Experiment[] = [
  {
    name: "grid",
    title: "25 modes on a grid",
    about:
      "Generator with three and critic with two hidden layers of 96 units, batches of 64, hinge loss, two latent numbers. Six settings of Adam (rate; β₁, β₂; critic steps for each of the generator): A 0.0001; .5, .9; 5 · B 0.0001; .5, .999; 1 · C 0.0002; .5, .999; 1 · D 0.001; .5, .9; 5 · E 0.001; .5, .999; 5 · F 0.001; .9, .999; 5. The rate is the setting’s, so nothing is tuned; in every arm it falls to zero over the second half. All arms of a setting have the same number of updates of both networks together, a quarter more at D than elsewhere. The size of the networks and of the batches was chosen by a handful of runs at D with a seed that no result uses, of spectral normalization with cap 2 above all, and the limit of weight clipping by two; the other strengths are the usual ones and were not tuned. 2,500 samples are judged: a mode is found when one of them lies within 3σ of it, and high quality is the share that does (98.9 % for a perfect sampler).",
    metrics: COVERAGE,
  },
  {
    name: "ring",
    title: "Three losses on the ring",
    about: "Eight modes of σ = 0.02 on a circle of radius 2, setting D, the same networks.",
    metrics: COVERAGE,
  },
  {
    name: "roll",
    title: "Swiss roll",
    about: "A spiral instead of modes, setting D, hinge loss, the same networks.",
    metrics: [
      { key: "w1", title: "sliced W1", better: "lower" },
      { key: "upper", title: "critic’s Lipschitz bound" },
      { key: "diverged", title: "diverged", as: "share", better: "lower" },
    ],
  },
  {
    name: "distance",
    title: "Known distances",
    about:
      "No generator: a critic of two hidden layers of 64 units is trained to tell two distributions apart whose Wasserstein-1 distance is 1: the origin and the unit sphere around it in 2 and 10 dimensions, and three points and the circles around them. Its value is measured on 10,000 fresh points of each. Its learning rate is tuned by that value on other points, which is fair as no 1-Lipschitz critic can exceed the distance.",
    metrics: [
      { key: "w1", title: "value (truth: 1)" },
      { key: "upper", title: "proved Lipschitz bound" },
      { key: "certified", title: "value / bound", better: "higher" },
    ],
  },
  {
    name: "digits",
    title: "Digits",
    about:
      "Convolutional networks on the 8,000 training digits at 28 × 28, batches of 32, hinge loss, Adam with β = .5, .9, one critic step for each of the generator’s. The digit-FD is the Fréchet distance between 2,000 pictures and the 2,000 test digits in the features of a small classifier of this study; it is not the FID. Digits found: those that at least 2 % of the pictures are taken for. High quality: pictures that the classifier is sure of (probability 0.9). Learning rates are tuned by the digit-FD to the training digits, with runs half as long.",
    metrics: [
      { key: "fd", title: "digit-FD", better: "lower" },
      { key: "modes", title: "digits found", better: "higher" },
      { key: "hq", title: "sure", as: "share", better: "higher" },
      { key: "reverseKl", title: "reverse KL", better: "lower" },
      { key: "upper", title: "critic’s Lipschitz bound" },
      { key: "diverged", title: "diverged", as: "share", better: "lower" },
    ],
  },
];

/** Looks at a game whose course is not drawn: only its end counts. */
const FEW_LOOKS = 2;

interface Scale {
  readonly settings: readonly (keyof typeof SETTINGS)[];
  readonly losses: readonly (typeof LOSSES)[number][];
  readonly problems: readonly DistanceSetting["problem"][];
  /** Looks at games on the grid at D. */
  readonly looks: number;
  /** Updates of both networks together. */
  readonly updates: {
    readonly D: number;
    readonly grid: number;
    readonly ring: number;
    readonly roll: number;
  };
  readonly distanceSteps: number;
  readonly distanceRates: readonly number[];
  readonly digitRounds: number;
  readonly digitRates: readonly number[];
  readonly seeds: number;
}

const SCALES: Readonly<Record<"quick" | "full", Scale>> = {
  quick: {
    settings: ["D"],
    losses: ["hinge"],
    problems: ["plane"],
    looks: 3,
    updates: { D: 1200, grid: 1200, ring: 600, roll: 600 },
    distanceSteps: 200,
    distanceRates: [5e-3],
    digitRounds: 30,
    digitRates: [1e-3],
    seeds: 1,
  },
  full: {
    settings: ["A", "B", "C", "D", "E", "F"],
    losses: LOSSES,
    problems: ["plane", "space", "cones"],
    looks: 10,
    updates: { D: 30000, grid: 24000, ring: 9000, roll: 9000 },
    distanceSteps: 1500,
    distanceRates: [1e-3, 3e-3, 1e-2],
    digitRounds: 1200,
    digitRates: [5e-4, 1e-3, 2e-3],
    seeds: 5,
  },
};

function plan(name: "quick" | "full"): StudyPlan {
  const scale = SCALES[name];
  const { settings, losses, problems, updates } = scale;
  const games: Cell[] = [
    ...settings.flatMap((variant) => {
      const isMain = variant === "D";
      const setting = planar(
        { target: "grid", loss: "hinge", ...SETTINGS[variant] },
        isMain ? updates.D : updates.grid,
        isMain ? scale.looks : FEW_LOOKS,
      );
      const arms = isMain ? [...MAIN, ...SOFT] : MAIN;
      return arms.map((arm) => ({ experiment: "grid", arm, variant, setting }));
    }),
    ...losses.flatMap((loss) => {
      const setting = planar({ target: "ring", loss, ...SETTINGS.D }, updates.ring, FEW_LOOKS);
      return FEW.map((arm) => ({ experiment: "ring", arm, variant: loss, setting }));
    }),
    ...FEW.map((arm) => {
      const setting = planar({ target: "roll", loss: "hinge", ...SETTINGS.D }, updates.roll, FEW_LOOKS);
      return { experiment: "roll", arm, setting };
    }),
  ];
  const others = [
    ...problems.flatMap((problem) => CERTIFIED.map((arm) => distanceCell(scale, problem, arm))),
    ...CONVOLUTIONAL.map(({ arm, norm }) => digitCell(scale, arm, norm)),
  ];
  return {
    tunings: others.flatMap(({ tunings }) => tunings),
    cells: [...games, ...others.map(({ cell }) => cell)],
    seeds: scale.seeds,
    firstSeed: FIRST_SEED,
  };
}

/** A setting with as many rounds as make this many updates of both networks together. */
function planar(
  game: Omit<PlanarSetting, "rounds" | "looks">,
  updates: number,
  looks: number,
): Cell["setting"] {
  return { ...game, rounds: Math.round(updates / (game.criticSteps + 1)), looks } satisfies PlanarSetting;
}

/** A cell with the sweep that finds its rate; in quick runs the setting has the rate. */
interface TunedCell {
  readonly tunings: readonly Tuning[];
  readonly cell: Cell;
}

function distanceCell(scale: Scale, problem: DistanceSetting["problem"], arm: ArmName): TunedCell {
  const variant = PROBLEMS[problem].title;
  const setting: DistanceSetting = { problem, steps: scale.distanceSteps };
  const score = { score: "certified", better: "higher" } as const;
  return tuned({ experiment: "distance", arm, variant }, setting, scale.distanceRates, { ...score, setting });
}

function digitCell(scale: Scale, arm: ArmName, norm: DigitSetting["norm"]): TunedCell {
  const cell = {
    experiment: "digits",
    arm,
    ...(norm === null ? {} : { variant: norm }),
  };
  const setting: DigitSetting = { norm, rounds: scale.digitRounds };
  const shorter: DigitSetting = { norm, rounds: Math.round(scale.digitRounds / 2) };
  const score = { score: "fdTraining", better: "lower" } as const;
  return tuned(cell, setting, scale.digitRates, { ...score, setting: shorter });
}

function tuned(
  cell: Omit<Cell, "setting">,
  setting: DistanceSetting | DigitSetting,
  rates: readonly number[],
  sweep: Pick<Tuning, "score" | "better"> & { readonly setting: DistanceSetting | DigitSetting },
): TunedCell {
  if (rates.length === 1) return { tunings: [], cell: { ...cell, setting: { ...setting, rate: rates[0] } } };
  const { experiment, arm, variant } = cell;
  const name = [experiment, variant ?? "", arm].filter((part) => part !== "").join(", ");
  const tuning: Tuning = { name, experiment, arm, rates, ...sweep, setting: { ...sweep.setting } };
  return { tunings: [tuning], cell: { ...cell, setting: { ...setting }, tuning: name } };
}

async function run(task: Task, { progress }: RunContext): Promise<RunResult> {
  const arm: CriticArm = CRITICS[task.arm as ArmName];
  const { experiment, setting, seed } = task;
  switch (experiment) {
    case "distance": {
      const given = setting as unknown as DistanceSetting;
      const metrics = await estimateDistance(arm, given, rateOf(task, given), seed, progress);
      return { metrics, detail: null };
    }
    case "digits": {
      const given = setting as unknown as DigitSetting;
      return playDigits(arm, given, rateOf(task, given), seed, progress);
    }
    default:
      return playPlanar(arm, setting as unknown as PlanarSetting, seed, progress);
  }
}

function rateOf({ learningRate }: Task, { rate }: DistanceSetting | DigitSetting): number {
  const found = learningRate ?? rate;
  if (found === undefined)
    throw new Error("The task has no learning rate, neither from a sweep nor of its setting.");
  return found;
}

/** Does spectral normalization of the critic make adversarial training stable? */
export const gan: Study = {
  name: "gan",
  title: "Does a critic that cannot be steep keep GANs from losing modes?",
  claim:
    "Spectral normalization of the critic is said to stabilise GANs: fewer lost modes, over a wider range of learning rates, at next to no cost (Miyato et al. 2018).",
  revision: 1,
  arms: ARMS,
  experiments: EXPERIMENTS,
  published: PUBLISHED,
  plan,
  run,
  findings: ganFindings,
  sections: ganSections,
};
