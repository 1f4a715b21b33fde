import { grad, lax, nn, numpy as np, valueAndGrad } from "@jax-js/jax";
import type { Shape } from "../graph.ts";
import type { ArrayFunction, Sample, Seeded } from "./reference.ts";

/** A training step: (step number, …parameters, …averages, …data) to the loss and all that it keeps. */
export interface TrainingStep {
  readonly step: ArrayFunction;
  readonly samples: readonly Sample[];
  /** Which result becomes which argument of the next step. */
  readonly kept: number;
}

type Loss = (params: readonly np.Array[], data: readonly np.Array[]) => np.Array;

/** One step of Adam (Kingma & Ba 2015) on a loss; consumes everything. */
export function adamStep(
  loss: Loss,
  random: Seeded,
  shapes: readonly Shape[],
  data: readonly Sample[],
): TrainingStep {
  const count = shapes.length;
  const step = (t: np.Array, ...arrays: np.Array[]) => {
    const params = arrays.slice(0, count);
    const [value, gradients] = valueAndGrad((p: np.Array[]) =>
      loss(
        p,
        arrays.slice(3 * count).map((array) => array.ref),
      ),
    )(params.map((p) => p.ref));
    const next = t.add(1);
    const updated = params.map((p, i) =>
      adam(p, arrays[count + i], arrays[2 * count + i], gradients[i], next.ref),
    );
    return [next, ...[0, 1, 2].flatMap((part) => updated.map((all) => all[part])), value];
  };
  const weights = shapes.map((shape) => scaled(random.sample(shape), 0.3));
  const zeros = shapes.map((shape) => scaled(random.sample(shape), 0));
  const start = scaled(random.sample([]), 0);
  return { step, samples: [start, ...weights, ...zeros, ...zeros, ...data], kept: 1 + 3 * count };
}

function scaled(sample: Sample, factor: number): Sample {
  return { ...sample, data: Float32Array.from(sample.data, (x) => x * factor) };
}

const [RATE, BETA1, BETA2, EPSILON] = [1e-2, 0.9, 0.999, 1e-8];

function adam(p: np.Array, m: np.Array, v: np.Array, g: np.Array, t: np.Array): np.Array[] {
  const first = m.mul(BETA1).add(g.ref.mul(1 - BETA1));
  const second = v.mul(BETA2).add(np.square(g).mul(1 - BETA2));
  const correction = (beta: number) => np.subtract(1, np.exp(t.ref.mul(Math.log(beta))));
  const unbiased = first.ref.div(correction(BETA1));
  const root = np.sqrt(second.ref.div(correction(BETA2))).add(EPSILON);
  t.dispose();
  return [p.sub(unbiased.div(root).mul(RATE)), first, second];
}

/** Cross-entropy of class labels. */
function crossEntropy(logits: np.Array, labels: np.Array): np.Array {
  const classes = logits.shape[1];
  return np.mean(nn.logSoftmax(logits).mul(nn.oneHot(labels, classes)).sum(-1)).neg();
}

export interface MlpSizes {
  readonly batch: number;
  readonly inputs: number;
  readonly hidden: number;
  readonly classes: number;
  /** Whether the first weight is divided by an estimate of its spectral norm, improved in the same step. */
  readonly spectral: boolean;
}

const SMALL_MLP: MlpSizes = { batch: 6, inputs: 12, hidden: 8, classes: 3, spectral: true };

/** A ReLU network with two hidden layers. */
export function mlpStep(random: Seeded, sizes: MlpSizes = SMALL_MLP): TrainingStep {
  const { batch, inputs, hidden, classes, spectral } = sizes;
  const loss: Loss = ([w1, b1, w2, b2, w3, b3, v0], [x, y]) => {
    const sum = np.matmul(x, w1.ref.transpose());
    const scaled = spectral ? sum.div(largestSingularValue(w1, v0)) : sum;
    const h1 = nn.relu(scaled.add(b1));
    const h2 = nn.relu(np.matmul(h1, w2).add(b2));
    return crossEntropy(np.matmul(h2, w3).add(b3), y);
  };
  const shapes = [
    [hidden, inputs],
    [hidden],
    [hidden, hidden],
    [hidden],
    [hidden, classes],
    [classes],
    [inputs],
  ];
  return adamStep(loss, random, shapes, [
    random.sample([batch, inputs]),
    random.between([batch], "int32", 0, classes - 1),
  ]);
}

/** uᵀWv after one power iteration from v, gradients through W only (Miyato et al. 2018). */
function largestSingularValue(w: np.Array, start: np.Array): np.Array {
  const fixed = lax.stopGradient(w.ref);
  const unit = (x: np.Array) => x.ref.div(np.sqrt(np.square(x).sum()));
  const u = unit(np.matmul(fixed.ref, lax.stopGradient(start)));
  const v = unit(np.matmul(u.ref, fixed));
  return np.dot(u, np.matmul(w, v));
}

/** A convolutional critic on 2×6×6 images with a gradient penalty, so that convolutions are differentiated twice. */
export function criticStep(random: Seeded): TrainingStep {
  const conv = (x: np.Array, w: np.Array) =>
    lax.convGeneralDilated(
      x,
      w,
      [2, 2],
      [
        [1, 1],
        [1, 1],
      ],
    );
  const critic = (x: np.Array, [w1, b1, w2, w3]: readonly np.Array[]) => {
    const h = nn.leakyRelu(conv(x, w1.ref).add(b1.ref.reshape([4, 1, 1])), 0.2);
    const features = np.tanh(conv(h, w2.ref));
    return np.matmul(features.reshape([features.shape[0], 3]), w3.ref).reshape([-1]);
  };
  const loss: Loss = (params, [x]) => {
    const scores = critic(x.ref, params);
    const slopes = grad((input: np.Array) => critic(input, params).sum())(x);
    const lengths = np.sqrt(np.square(slopes).sum([1, 2, 3]).add(1e-6));
    for (const p of params) p.dispose();
    return np.mean(scores).add(np.mean(np.square(lengths.sub(1))).mul(10));
  };
  return adamStep(loss, random, [[4, 2, 4, 4], [4], [3, 4, 3, 3], [3, 1]], [random.sample([2, 2, 4, 4])]);
}

/** An Elman network of 5 units unrolled over 6 steps of 3 features, batch 4. */
export function elmanStep(random: Seeded): TrainingStep {
  const loss: Loss = ([wx, wh, b, wo], [x, y]) => {
    let h: np.Array = np.zeros([4, 5]);
    for (let t = 0; t < 6; t++) {
      const input = np.matmul(x.ref.slice([], t), wx.ref);
      h = np.tanh(input.add(np.matmul(h, wh.ref)).add(b.ref));
    }
    for (const array of [x, wx, wh, b]) array.dispose();
    return crossEntropy(np.matmul(h, wo), y);
  };
  const shapes = [[3, 5], [5, 5], [5], [5, 3]];
  return adamStep(loss, random, shapes, [random.sample([4, 6, 3]), random.between([4], "int32", 0, 2)]);
}
