import type { Digits } from "../../digits/digits.ts";
import { singularValuesSmall } from "../../linalg/svd.ts";
import {
  cosine,
  createTrainer,
  crossEntropy,
  DIGIT_PIXELS,
  DivergenceError,
  dataset,
  frobenius,
  layerNorms,
  linear,
  type Module,
  relu,
  sequential,
  sgd,
  spectralNorm,
  spectralPenalty,
  type Trainer,
  type TrainerOptions,
  uncontrolled,
} from "../../train.ts";
import { accuracy } from "../scores.ts";
import { startedExactly, weightsIn } from "./exact-start.ts";
import { expectedWithWrongLabels, type NoisyDigits } from "./noisy-digits.ts";

/** How the weights are kept small. */
export type PenaltyArm = "none" | "decay" | "spectral" | "top" | "sn";

/** Leading singular values that the arm "top" penalises. */
export const TOP = 4;
const CLASSES = 10;
const MOMENTUM = 0.9;

export interface ClassifierOptions {
  readonly arm: PenaltyArm;
  /** λ of a penalty, or the cap of spectral normalization; ignored where there is neither. */
  readonly strength: number;
  readonly width: number;
  readonly batch: number;
  readonly epochs: number;
  readonly learningRate: number;
  readonly noise: number;
  readonly seed: number;
  /** Spectra are taken this many times while training, besides the start. */
  readonly watches: number;
  readonly onStep: (step: number, steps: number) => void;
}

/** All singular values of every weight, as its layer uses it, after some steps. */
export interface Watch {
  readonly step: number;
  readonly spectra: readonly (readonly number[])[];
}

export interface TrainedClassifier {
  /** The loss stopped being finite: what follows is from before that step. */
  readonly diverged: boolean;
  readonly watches: readonly Watch[];
  /** On the training labels, wrong ones included. */
  readonly trained: number;
  readonly validation: number;
  readonly test: number;
  /** Accuracy on the training labels, less that to be expected on test labels with as many wrong ones. */
  readonly gap: number;
  /** The product of the layers' σ₁, each a proved upper bound: the network's Lipschitz constant is at most this. */
  readonly lipschitz: number;
}

/** Trains 784–width–width–10 with ReLU by SGD with momentum, its rate falling to 0 along a half cosine. */
export async function trainClassifier(
  digits: NoisyDigits,
  options: ClassifierOptions,
): Promise<TrainedClassifier> {
  const { train } = digits;
  const net = network(options);
  const batches = dataset(
    { x: pictures(train), y: { data: train.y, shape: [train.count] } },
    { classes: CLASSES },
  ).batches({ size: options.batch, seed: options.seed });
  const steps = options.epochs * batches.perEpoch;
  const stops = watchSteps(steps, options.watches);
  const trainer = createTrainer({
    net,
    inputShape: [DIGIT_PIXELS],
    loss: ({ outputs, batch }) => crossEntropy(outputs, batch.y),
    optimizer: sgd({ learningRate: cosine({ initial: options.learningRate, steps }), momentum: MOMENTUM }),
    seed: options.seed,
    threads: 1,
    ...penaltyOf(net, options),
  });
  try {
    const watches = [await watch(net, trainer, 0)];
    let diverged = false;
    for (let step = 0; step < steps && !diverged; step++) {
      options.onStep(step, steps);
      diverged = await stepFails(trainer, batches.at(step));
      if (!diverged && stops.has(step + 1)) watches.push(await watch(net, trainer, step + 1));
    }
    return { diverged, watches, ...(await scores(net, trainer, digits, options.noise)) };
  } finally {
    await trainer.dispose();
  }
}

function network({ arm, strength, width }: ClassifierOptions): Module {
  const control = arm === "sn" ? spectralNorm({ cap: strength }) : uncontrolled;
  return sequential(
    linear(width, { control }),
    relu(),
    linear(width, { control }),
    relu(),
    linear(CLASSES, { control }),
  );
}

function penaltyOf(net: Module, { arm, strength }: ClassifierOptions): Pick<TrainerOptions, "penalty"> {
  const weights = net.weights([DIGIT_PIXELS]);
  switch (arm) {
    case "none":
    case "sn":
      return {};
    case "decay":
      return { penalty: ({ params }) => frobenius(weights, params, strength) };
    case "spectral":
      return { penalty: startedExactly(spectralPenalty(weights, strength), 1) };
    case "top":
      return { penalty: startedExactly(spectralPenalty(weights, strength, { rank: TOP }), TOP) };
  }
}

function watchSteps(steps: number, count: number): ReadonlySet<number> {
  return new Set(Array.from({ length: count }, (_, i) => Math.round((steps * (i + 1)) / count)));
}

/** Whether the step's loss or parameters were not finite; the parameters then stay as they were. */
async function stepFails(trainer: Trainer, batch: Parameters<Trainer["step"]>[0]): Promise<boolean> {
  try {
    await trainer.step(batch);
    return false;
  } catch (error) {
    if (error instanceof DivergenceError) return true;
    throw error;
  }
}

/** Singular values of the stored weights, times what their controls scale them by. */
async function watch(net: Module, trainer: Trainer, step: number): Promise<Watch> {
  const stored = await Promise.all(
    weightsIn(trainer.params).map(async (weight) => {
      const [rows, cols] = weight.shape;
      return singularValuesSmall(Float64Array.from((await weight.ref.data()) as Float32Array), rows, cols);
    }),
  );
  const norms = await layerNorms(net, trainer.params, trainer.state, { inputShape: [DIGIT_PIXELS] });
  const spectra = stored.map((spectrum, layer) => {
    const { cap, sigma } = norms[layer];
    const scale = cap === null ? 1 : sigma.lower / spectrum[0];
    return Array.from(spectrum, (value) => Number((scale * value).toPrecision(4)));
  });
  return { step, spectra };
}

async function scores(
  net: Module,
  trainer: Trainer,
  { train, validation, test }: NoisyDigits,
  noise: number,
): Promise<Omit<TrainedClassifier, "diverged" | "watches">> {
  const scoreOf = async (part: Digits) => accuracy(await trainer.predict(pictures(part)), part.y);
  const norms = await layerNorms(net, trainer.params, trainer.state, {
    inputShape: [DIGIT_PIXELS],
    guarantee: "proof",
  });
  const [trained, valid, tested] = [await scoreOf(train), await scoreOf(validation), await scoreOf(test)];
  return {
    trained,
    validation: valid,
    test: tested,
    gap: trained - expectedWithWrongLabels(tested, noise),
    lipschitz: norms.reduce((product, { sigma }) => product * (sigma.upper ?? Number.POSITIVE_INFINITY), 1),
  };
}

function pictures({ x, count }: Digits) {
  return { data: x, shape: [count, DIGIT_PIXELS] };
}
