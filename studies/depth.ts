import { random, tree } from "@jax-js/jax";
import { ARMS, type LayerDetail, STARTS, type Start, startsOf, variantOf } from "../src/study/depth/arms.ts";
import { findings } from "../src/study/depth/findings.ts";
import { layerGradients } from "../src/study/depth/gradients.ts";
import { layerGrowth } from "../src/study/depth/growth.ts";
import { type Deep, type DeepArm, deepNetwork } from "../src/study/depth/network.ts";
import { sections } from "../src/study/depth/sections.ts";
import { digitTask, type LearningTask, ripples } from "../src/study/depth/tasks.ts";
import { mean } from "../src/study/statistics.ts";
import type {
  Cell,
  Json,
  RunContext,
  RunResult,
  Study,
  StudyPlan,
  Task,
  Tuning,
} from "../src/study/study.ts";
import {
  adam,
  cosine,
  createTrainer,
  crossEntropy,
  DivergenceError,
  frobenius,
  meanSquaredError,
  sgd,
  type Tensor,
  type Variables,
} from "../src/train.ts";

const WIDTH = 64;
const BATCH = 64;
const DECAY = 1e-3;
/** A run that ends with a loss of this many times its first one is counted as diverged, as are NaN and infinities. */
const DIVERGED = 2;
/** Losses at the beginning and the end are means over this share of the steps. */
const END_SHARE = 0.1;

function plan(scale: "quick" | "full"): StudyPlan {
  const quick = scale === "quick";
  const depths = quick ? [20] : [5, 20, 50];
  const steps = quick ? 60 : 300;
  const tunings: Tuning[] = [];
  const cells: Cell[] = [];
  for (const { name: arm } of ARMS) {
    for (const depth of quick ? [5, 20] : [5, 20, 50]) {
      for (const start of startsOf(arm)) {
        cells.push({ experiment: "start", arm, variant: variantOf(depth, start), setting: { depth, start } });
      }
    }
    for (const task of ["digits", "regression"] as const) {
      for (const depth of task === "digits" ? depths : depths.slice(0, 2)) {
        const tuning = `${task}, ${depth} layers, ${arm}`;
        tunings.push({
          name: tuning,
          experiment: task,
          arm,
          rates: quick ? [1e-3, 4e-3] : [1e-3, 3e-3, 1e-2],
          score: "validation",
          better: task === "digits" ? "higher" : "lower",
          setting: { depth, start: "he", steps: quick ? 30 : 150 },
        });
        for (const start of task === "digits" ? startsOf(arm) : startsOf(arm).slice(0, 1)) {
          const setting = { depth, start, steps };
          cells.push({ experiment: task, arm, variant: variantOf(depth, start), setting, tuning });
        }
      }
    }
    for (const rate of quick ? [0.01, 0.3] : [0.01, 0.03, 0.1, 0.3, 1]) {
      const setting = { depth: 20, start: "he", steps: quick ? 40 : 100, rate };
      cells.push({ experiment: "rates", arm, variant: `rate ${rate}`, setting });
    }
  }
  return { tunings, cells: inOrder(cells), seeds: quick ? 1 : 5 };
}

/** Cells of one question together, arms of one variant beside each other. */
function inOrder(cells: readonly Cell[]): Cell[] {
  const variants = [...new Set(cells.map(({ experiment, variant }) => `${experiment} ${variant}`))];
  return variants.flatMap((key) => cells.filter((cell) => `${cell.experiment} ${cell.variant}` === key));
}

interface DepthSetting {
  readonly depth: number;
  readonly start: Start;
  readonly steps: number;
  readonly rate: number;
}

async function run(task: Task, context: RunContext): Promise<RunResult> {
  const setting = task.setting as unknown as DepthSetting;
  const learning = task.experiment === "regression" ? ripples(task.seed) : await digitTask();
  const { factor } = STARTS[setting.start];
  const sizes = { depth: setting.depth, width: WIDTH, outputs: learning.outputs, factor };
  const deep = deepNetwork(task.arm as DeepArm, sizes);
  return task.experiment === "start"
    ? startRun(deep, task.seed, learning)
    : trainedRun(task, setting, deep, learning, context);
}

/** A network that has learnt nothing yet: what it does to gradients and to a small change. */
async function startRun(deep: Deep, seed: number, learning: LearningTask): Promise<RunResult> {
  const variables = deep.network.init(random.key(seed), learning.inputShape);
  const detail = await layerDetail(deep, variables, learning);
  tree.dispose([variables.params, variables.state]);
  return { metrics: layerMetrics(detail), detail: detail as unknown as Json };
}

async function trainedRun(
  task: Task,
  { steps, rate }: DepthSetting,
  deep: Deep,
  learning: LearningTask,
  context: RunContext,
): Promise<RunResult> {
  const { inputShape, classes } = learning;
  const uses = deep.network.weights(inputShape);
  const isRate = task.experiment === "rates";
  const trainer = createTrainer({
    net: deep.network,
    inputShape,
    loss: ({ outputs, batch }) => lossOf(learning, outputs, batch.y),
    optimizer: isRate
      ? sgd({ learningRate: rate, momentum: 0.9 })
      : adam({ learningRate: cosine({ initial: task.learningRate!, steps }) }),
    ...(task.arm === "decay" ? { penalty: ({ params }) => frobenius(uses, params, DECAY) } : {}),
    seed: task.seed,
  });
  try {
    const batches = learning.train.batches({ size: BATCH, seed: task.seed });
    const losses: number[] = [];
    const stopped = await untilDivergence(async () => {
      for (let step = 0; step < steps; step++) {
        context.progress(step, steps);
        losses.push((await trainer.step(batches.at(step))).loss);
      }
    });
    const few = Math.max(1, Math.round(END_SHARE * losses.length));
    const grew = losses.length === 0 || mean(losses.slice(-few))! > DIVERGED * losses[0];
    const diverged = stopped || grew ? 1 : 0;
    if (isRate) return { metrics: { diverged }, detail: null };
    const { validation, test } = learning;
    const detail = await layerDetail(deep, { params: trainer.params, state: trainer.state }, learning);
    return {
      metrics: {
        diverged,
        validation: learning.score(await trainer.predict(validation.x), validation),
        [classes === null ? "error" : "accuracy"]: learning.score(await trainer.predict(test.x), test),
        ...layerMetrics(detail),
      },
      detail: detail as unknown as Json,
    };
  } finally {
    await trainer.dispose();
  }
}

/** @returns whether training ended in NaN or infinities; the parameters are then those from before. */
async function untilDivergence(training: () => Promise<void>): Promise<boolean> {
  try {
    await training();
    return false;
  } catch (error) {
    if (error instanceof DivergenceError) return true;
    throw error;
  }
}

function lossOf({ classes }: LearningTask, outputs: Tensor, targets: Tensor): Tensor {
  return classes === null ? meanSquaredError(outputs, targets) : crossEntropy(outputs, targets);
}

async function layerDetail(deep: Deep, variables: Variables, learning: LearningTask): Promise<LayerDetail> {
  const { probe, inputShape } = learning;
  const loss = (outputs: Tensor, targets: Tensor) => lossOf(learning, outputs, targets);
  const gradient = await layerGradients(deep, variables, probe, loss);
  return { gradient, ...(await layerGrowth(deep, variables, probe.x, inputShape)) };
}

function layerMetrics({ gradient, growth, bound }: LayerDetail): Record<string, number> {
  return {
    gradientRatio: gradient[0] / gradient[gradient.length - 1],
    growth: growth[growth.length - 1],
    bound: bound[bound.length - 1],
  };
}

const LAYER_METRICS = [
  { key: "gradientRatio", title: "gradient, first ÷ last layer" },
  { key: "growth", title: "growth of a change" },
  { key: "bound", title: "its bound (proof)" },
] as const;

export const depth: Study = {
  name: "depth",
  title: "Does spectral normalization tame the cascade in deep networks?",
  claim:
    "A network stretches layer after layer, and the stretches multiply: 20 layers of 1.5 make 3325. Dividing each weight by its largest singular value is said to stop that explosion and to make deep networks trainable.",
  revision: 1,
  arms: ARMS,
  experiments: [
    {
      name: "start",
      title: "Before training",
      about: `Networks of ${WIDTH} units per layer as they start, on digits. The gradient is that of the cross-entropy; growth is that of a change of 10⁻⁶ in a random direction, in float64; the bound is the product of the layers’ certified constants. A larger start changes nothing for weights that are controlled.`,
      metrics: LAYER_METRICS,
    },
    {
      name: "digits",
      title: "Digits",
      about:
        "300 steps of Adam, batches of 64, a rate that falls to 0; 7,000 digits to learn from, 1,000 that choose the rate (in 150 steps, at the usual start), 2,000 to test.",
      metrics: [
        { key: "accuracy", title: "test accuracy", as: "share", better: "higher" },
        { key: "diverged", title: "diverged", as: "share", better: "lower" },
        ...LAYER_METRICS,
      ],
    },
    {
      name: "regression",
      title: "A toy regression",
      about:
        "y = sin 3x₀ · cos 2x₁ on a square, 2,000 points to learn from; the same training. The error is that of 1,000 other points, as a share of the spread of y: 1 is a constant guess.",
      metrics: [
        { key: "error", title: "error", better: "lower" },
        { key: "diverged", title: "diverged", as: "share", better: "lower" },
        ...LAYER_METRICS,
      ],
    },
    {
      name: "rates",
      title: "Learning rates",
      about: "20 layers on digits, 100 steps of SGD with momentum 0.9 at each rate, from the usual start.",
      metrics: [{ key: "diverged", title: "diverged", as: "share", better: "lower" }],
    },
  ],
  published: [
    {
      name: "Spectral normalization in GAN critics",
      metrics: { cap: 1 },
      source:
        "Miyato et al. 2018 (arXiv:1802.05957): σ₁ of every layer at 1; shallow critics, no depth study.",
    },
  ],
  plan,
  run,
  findings,
  sections,
};
