import { deriveSeed } from "../src/audit/seeds.ts";
import { RandomStream } from "../src/linalg/random.ts";
import type { DotsFigure, Line, LinesFigure } from "../src/study/figures.ts";
import { networkOf, RNN_ARMS } from "../src/study/rnn/arms.ts";
import { detailOf, memoryMetrics } from "../src/study/rnn/detail.ts";
import { rnnFindings } from "../src/study/rnn/findings.ts";
import { memoryMeter } from "../src/study/rnn/memory.ts";
import { detailsOf, geometricMean, longest } from "../src/study/rnn/runs.ts";
import {
  addingTask,
  copyTask,
  digitRows,
  rowsTask,
  type SequenceBatch,
  type SequenceTask,
} from "../src/study/rnn/tasks.ts";
import { scorer, trainOn } from "../src/study/rnn/training.ts";
import { metricAt } from "../src/study/statistics.ts";
import type {
  Cell,
  Experiment,
  Json,
  MetricColumn,
  RunContext,
  RunResult,
  Section,
  Study,
  StudyPlan,
  StudyResults,
  Task,
  Tuning,
} from "../src/study/study.ts";
import { adam, createTrainer, type Digits, loadDigits } from "../src/train.ts";

/** Sequences per step. */
const BATCH = 32;

function plan(scale: "quick" | "full"): StudyPlan {
  return scale === "quick" ? quickPlan() : fullPlan();
}

/** Short sequences, one seed, and a learning rate that nobody chose. */
function quickPlan(): StudyPlan {
  const given = { batch: BATCH, rate: 5e-3 };
  const cells = everyArm([
    { experiment: "copy", variant: "T = 10", setting: { ...given, steps: 500, length: 10 } },
    { experiment: "adding", variant: "T = 20", setting: { ...given, steps: 300, length: 20 } },
    { experiment: "digits", setting: { ...given, steps: 100 } },
  ]);
  return { tunings: [], cells, seeds: 1 };
}

function fullPlan(): StudyPlan {
  const tunings = RNN_ARMS.flatMap(({ name: arm }): Tuning[] => {
    const tune = (experiment: string, by: "loss" | "accuracy", setting: RnnSetting): Tuning => ({
      name: tuningOf(experiment, arm),
      experiment,
      arm,
      rates: [1e-3, 2e-3, 5e-3],
      score: by,
      better: by === "loss" ? "lower" : "higher",
      setting: { ...setting },
    });
    return [
      tune("copy", "loss", { steps: 400, batch: BATCH, length: 100 }),
      tune("adding", "loss", { steps: 600, batch: BATCH, length: 100 }),
      tune("digits", "accuracy", { steps: 300, batch: BATCH }),
    ];
  });
  const cells = everyArm([
    { experiment: "copy", variant: "T = 100", setting: { steps: 1000, batch: BATCH, length: 100 } },
    { experiment: "copy", variant: "T = 200", setting: { steps: 1500, batch: BATCH, length: 200 } },
    { experiment: "adding", variant: "T = 200", setting: { steps: 1500, batch: BATCH, length: 200 } },
    { experiment: "digits", setting: { steps: 1000, batch: BATCH } },
  ]).map((cell) => ({ ...cell, tuning: tuningOf(cell.experiment, cell.arm) }));
  return { tunings, cells, seeds: 5 };
}

function everyArm(cells: readonly Omit<Cell, "arm">[]): Cell[] {
  return cells.flatMap((cell) => RNN_ARMS.map(({ name }) => ({ ...cell, arm: name })));
}

function tuningOf(experiment: string, arm: string): string {
  return `${experiment}, ${arm}`;
}

/** What a run is made of, besides experiment, arm, rate and seed. */
interface RnnSetting {
  /** Steps of the optimiser at most. */
  readonly steps: number;
  /** Sequences per step. */
  readonly batch: number;
  /** How long a memory has to last (copy), or how long a sequence is (adding); absent for digits. */
  readonly length?: number;
  /** The learning rate, where none was chosen by a sweep. */
  readonly rate?: number;
}

/** Sequences that decide whether a run is solved, that it is tested with, and that gradients are a mean over. */
const CHECKED = 256;
const TESTED = 512;
const PROBED = 16;
/** A run is solved, and stops, at these: a little beyond what the claims ask. */
const STOP = { accuracy: 0.995, loss: 0.008 };
/** A run whose last loss is this many times the memoryless one has diverged. */
const DIVERGED = 2;
/** Training digits kept for choosing learning rates. */
const VALIDATED = 1000;

/** What each stream of random numbers of a run is for. */
const STREAMS = { training: 1, check: 2, test: 3, probe: 4 } as const;

async function run(task: Task, context: RunContext): Promise<RunResult> {
  const setting = task.setting as unknown as RnnSetting;
  const stream = (use: keyof typeof STREAMS) => new RandomStream(deriveSeed(BigInt(task.seed), STREAMS[use]));
  const { sequences, test } = await sequencesOf(task, setting, stream("test"));
  const arm = RNN_ARMS.find(({ name }) => name === task.arm)!;
  const { net, step } = networkOf(arm, sequences);
  const trainer = createTrainer({
    net,
    inputShape: sequences.inputShape,
    loss: ({ outputs, batch }) => sequences.loss(outputs, batch.y),
    optimizer: adam({ learningRate: task.learningRate ?? setting.rate! }),
    ...(arm.clipNorm === undefined ? {} : { clipNorm: arm.clipNorm }),
    seed: task.seed,
  });
  const meter = memoryMeter(step, net, sequences);
  const scores = scorer(sequences);
  try {
    const probe = sequences.draw(stream("probe"), PROBED);
    const start = await meter.measure(trainer.params, trainer.state, probe);
    const training = await trainOn(sequences, trainer, {
      ...setting,
      random: stream("training"),
      isSolved: task.kind === "sweep" || task.experiment === "digits" ? undefined : isSolved,
      onStep: (done) => context.progress(done, setting.steps),
    });
    const end = await meter.measure(trainer.params, trainer.state, probe);
    const { loss, accuracy } = await scores.score(trainer, test);
    const diverged = training.brokeDown || !(loss <= DIVERGED * sequences.memoryless);
    return {
      metrics: {
        loss,
        accuracy,
        diverged: Number(diverged),
        solved: Number(training.solvedAt !== null),
        solvedAt: training.solvedAt,
        ...memoryMetrics(start, end),
      },
      detail: detailOf(sequences, training, start, end) as unknown as Json,
    };
  } finally {
    meter.dispose();
    scores.dispose();
    await trainer.dispose();
  }

  async function isSolved(): Promise<boolean> {
    const { loss, accuracy } = await scores.score(trainer, sequences.draw(stream("check"), CHECKED));
    return task.experiment === "copy" ? accuracy >= STOP.accuracy : loss <= STOP.loss;
  }
}

/** The task, and what its networks are judged by: fresh sequences, or digits that they were not trained with. */
async function sequencesOf(
  { experiment, kind }: Task,
  { length = 0 }: RnnSetting,
  random: RandomStream,
): Promise<{ sequences: SequenceTask; test: SequenceBatch }> {
  if (experiment === "digits") {
    const { train, test } = await loadDigits();
    const split = train.count - VALIDATED;
    const [used, judged] =
      kind === "run" ? [train, test] : [part(train, 0, split), part(train, split, train.count)];
    return { sequences: rowsTask(used), test: digitRows(judged, [...Array(judged.count).keys()]) };
  }
  const sequences = experiment === "copy" ? copyTask(length) : addingTask(length);
  return { sequences, test: sequences.draw(random, TESTED) };
}

function part({ x, y }: Digits, start: number, end: number): Digits {
  const pixels = x.length / y.length;
  return { count: end - start, x: x.slice(start * pixels, end * pixels), y: y.slice(start, end) };
}

function sections(results: StudyResults): Section[] {
  return [
    {
      id: "loss",
      title: "Who gets below the loss of a network without memory",
      lead: "The loss of training batches, each drawn afresh, as a share of the best a network can do that has forgotten its input (dashed: 1). A curve that stays there has learnt the format and remembers nothing. Runs stop when they are solved.",
      figure: lossFigure(results),
    },
    {
      id: "accuracy",
      title: "What is answered right in the end",
      lead: "On sequences not seen before: the last ten symbols (copy; guessing gives 0.125), sums within 0.1 (adding; always saying 1 gives 0.19), digits (guessing gives 0.1). One dot per seed, a bar at the mean.",
      figure: accuracyFigure(results),
    },
    {
      id: "gradients-before",
      title: "How much of a gradient reaches back, before training",
      lead: `${LAG_LEAD} Level is what memory needs.`,
      figure: lagFigure(results, "start"),
    },
    {
      id: "gradients-after",
      title: "How much of a gradient reaches back, after training",
      lead: `${LAG_LEAD} The bound can only say that gradients do not explode; whether they vanish is up to the other singular values and to the slope of tanh.`,
      figure: lagFigure(results, "end"),
    },
  ];
}

const LAG_LEAD =
  "Copy memory with the longest delay: the length of the gradient of the last answer’s loss with respect to the state so many steps earlier, as a share of that at the last step. One panel per arm; thin lines are seeds. Dashed: the proved norm of a step to the power of the lag, which the gradient cannot exceed (‖W‖₂ for tanh networks, ‖I + εA‖₂ + ε‖W‖₂ for the Lipschitz RNN, mean over seeds; none is known for a GRU).";

/** Experiments that are solved or not, with their variants, in the plan's order. */
function memoryVariants({ cells }: StudyResults): { experiment: string; variant: string }[] {
  const keys = cells
    .filter(({ experiment }) => experiment !== "digits")
    .map(({ experiment, variant }) => `${experiment}|${variant}`);
  return [...new Set(keys)].map((key) => {
    const [experiment, variant] = key.split("|");
    return { experiment, variant };
  });
}

function lossFigure(results: StudyResults): LinesFigure {
  return {
    kind: "lines",
    x: { label: "step" },
    y: { label: "loss, of the memoryless one", scale: "log", low: 0.01, high: 10 },
    panels: memoryVariants(results).map(({ experiment, variant }) => {
      const lines = RNN_ARMS.flatMap(({ name }): Line[] => {
        const details = detailsOf(results.records(experiment, name, variant));
        if (details.length === 0) return [];
        return [
          {
            arm: name,
            runs: details.map(({ curve, memoryless }) => ({
              x: curve.x,
              y: curve.y.map((y) => y / memoryless),
            })),
          },
        ];
      });
      const end = Math.max(...lines.flatMap(({ runs }) => runs.flatMap(({ x }) => x)));
      const reference = { arm: null, name: "without memory", runs: [{ x: [0, end], y: [1, 1] }] };
      return { title: `${experiment}, ${variant}`, lines: [...lines, reference] };
    }),
  };
}

function accuracyFigure({ cells }: StudyResults): DotsFigure {
  const keys = [...new Set(cells.map(({ experiment, variant }) => `${experiment}|${variant}`))];
  return {
    kind: "dots",
    y: { label: "share answered right", high: 1 },
    panels: keys.map((key) => {
      const own = cells.filter(({ experiment, variant }) => `${experiment}|${variant}` === key);
      return {
        title: key.replace("|", " ").trim(),
        groups: [
          {
            name: "",
            values: own.map(({ name, runs }) => ({
              arm: name,
              values: runs.map((run) => metricAt(run, "accuracy")),
            })),
          },
        ],
      };
    }),
  };
}

function lagFigure(results: StudyResults, moment: "start" | "end"): LinesFigure {
  const panels = RNN_ARMS.flatMap(({ name, title }) => {
    const details = detailsOf(longest(results, "copy", name));
    if (details.length === 0) return [];
    const { lags } = details[0];
    const norm = geometricMean(details.map((detail) => detail[moment].stepNorm));
    const bound =
      norm === null
        ? []
        : [
            {
              arm: null,
              name: "norm to the power of the lag",
              runs: [{ x: lags, y: lags.map((lag) => norm ** lag) }],
            },
          ];
    return [
      {
        title,
        lines: [
          { arm: name, runs: details.map((detail) => ({ x: lags, y: detail[moment].kept })) },
          ...bound,
        ],
      },
    ];
  });
  return {
    kind: "lines",
    x: { label: "lag (steps)" },
    y: { label: "gradient, of that at the last step", scale: "log", low: 1e-12, high: 1e6 },
    panels,
  };
}

const SHARE = { as: "share", better: "higher" } as const;

const MEMORY_COLUMNS: readonly MetricColumn[] = [
  { key: "loss", title: "loss", better: "lower" },
  { key: "accuracy", title: "accuracy", ...SHARE },
  { key: "solved", title: "solved", ...SHARE },
  { key: "solvedAt", title: "at step", better: "lower" },
  { key: "diverged", title: "diverged", as: "share", better: "lower" },
  { key: "stepNorm.end", title: "norm of a step ≤" },
  { key: "smallest.end", title: "smallest σ" },
  { key: "kept.end", title: "gradient left" },
];

const EXPERIMENTS: readonly Experiment[] = [
  {
    name: "copy",
    title: "Copy memory",
    about:
      "Ten symbols out of eight are shown, T steps later they are to be repeated. Loss: cross-entropy, mean over all answers; accuracy: of the last ten. Adam, batches of 32, at most as many steps as the settings say; a run is solved, and stops, when 99.5 % of 256 fresh sequences’ last ten answers are right. Learning rates were chosen at T = 100 in a shorter run, and serve both delays. Small input kernels, no biases and readouts that start from how often answers occur are shared by all arms, but were found by trying them on the band. The last columns are from after training: the proved norm of a step, the smallest singular value of W, and the share of a gradient that reaches the first step.",
    metrics: MEMORY_COLUMNS,
  },
  {
    name: "adding",
    title: "Adding problem",
    about:
      "Of T numbers in [0, 1] two are marked, and their sum is asked for after the last. In every arm each number and its mark go through 32 ReLU units before they reach the recurrent layer. Loss: mean square error (0.167 for always saying 1); accuracy: the share within 0.1. A run is solved, and stops, when the error on 256 fresh sequences is at most 0.008. Learning rates were chosen in a shorter run on sequences of 100. The start is that of the copy task, with a readout that starts at the mean sum; it too was found on the band, and a steeper input kernel suits the plain and the spectral arm better on short sequences.",
    metrics: MEMORY_COLUMNS,
  },
  {
    name: "digits",
    title: "Digits by rows",
    about:
      "28 rows of 28 pixels, one per step, from 8,000 digits; the answer after the last row. Accuracy on 2,000 test digits. Learning rates were chosen with 1,000 training digits held out. Not comparable with digits pixel by pixel (784 steps).",
    metrics: MEMORY_COLUMNS.filter(({ key }) => !key.startsWith("solved")),
  },
];

export const rnn: Study = {
  name: "rnn",
  title: "Does spectral control let recurrent networks remember?",
  claim:
    "A recurrent kernel W is applied at every step, so over T steps its norm counts T times: spectral normalization is said to keep gradients from exploding, and recurrent networks able to remember.",
  revision: 1,
  arms: RNN_ARMS,
  experiments: EXPERIMENTS,
  published: [
    {
      name: "Lipschitz RNN, digits pixel by pixel",
      metrics: { "accuracy, in order": "99.4 %", "accuracy, permuted": "96.3 %" },
      source: "Erichson et al. 2021, arXiv:2006.12070, abstract; 784 steps, 60,000 training digits.",
    },
    {
      name: "coRNN, digits pixel by pixel",
      metrics: { "accuracy, in order": "99.4 %", "accuracy, permuted": "97.3 %" },
      source: "Rusch & Mishra 2021, arXiv:2010.00951; 784 steps, 60,000 training digits.",
    },
  ],
  plan,
  run,
  findings: rnnFindings,
  sections,
};
