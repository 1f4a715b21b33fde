import { numpy as np } from "@jax-js/jax";
import {
  bjorck,
  type Control,
  certifiedCrossEntropy,
  conv2d,
  crossEntropy,
  DIGIT_PIXELS,
  flatten,
  hkr,
  type LossContext,
  linear,
  type Module,
  maxMin,
  multiclassHinge,
  pairwiseBounds,
  projectNorm,
  type Shape,
  sequential,
  spectralNorm,
  type Tensor,
  type Tree,
  uncontrolled,
} from "../../train.ts";

export const CLASSES = 10;
/** Pixels of a row. */
const SIDE = 28;

/** A network that tells digits apart. */
export interface Classifier {
  readonly net: Module;
  readonly inputShape: Shape;
}

/** What a network is asked for. */
export type Loss =
  | { readonly kind: "cross-entropy" }
  /** The outputs' differences that count as enough. */
  | { readonly kind: "hinge"; readonly margin: number }
  | { readonly kind: "hkr"; readonly margin: number; readonly alpha: number }
  /** Certificates within `epsilon`. */
  | { readonly kind: "certified"; readonly epsilon: number };

/** How an arm keeps its weights. */
interface Weights {
  readonly dense: (cap: number) => Control;
  readonly convolution: (cap: number) => Control;
  readonly last: (cap: number) => Control;
}

const all = (control: (cap: number) => Control): Weights => ({
  dense: control,
  convolution: control,
  last: control,
});
const spectral = (cap: number) => spectralNorm({ cap });
const orthonormal = (cap: number) => bjorck({ cap });

const WEIGHTS: Readonly<Record<string, Weights>> = {
  plain: all(() => uncontrolled),
  decay: all(() => uncontrolled),
  gouk: all((cap) => projectNorm({ cap })),
  sn: all(spectral),
  bjorck: all(orthonormal),
  hkr: all(orthonormal),
  gloro: { ...all(spectral), last: () => uncontrolled },
};

/** Which network, how wide, and how steep its layers may be. */
export interface Size {
  readonly network: "mlp" | "conv";
  /** Of each hidden layer of the MLP. */
  readonly units: number;
  /** Of each layer that has one. */
  readonly cap: number;
}

/** 784-units-units-10, or 2C2F (Wong & Kolter 2018): 16 and 32 windows of 4 × 4 at stride 2, 100 units, 10. */
export function classifier(arm: string, { network, units, cap }: Size): Classifier {
  const weights = WEIGHTS[arm];
  const dense = { control: weights.dense(cap) };
  const last = linear(CLASSES, { control: weights.last(cap) });
  if (network === "mlp") {
    const net = sequential(linear(units, dense), maxMin(), linear(units, dense), maxMin(), last);
    return { net, inputShape: [DIGIT_PIXELS] };
  }
  const window = { strides: 2, padding: 1, control: weights.convolution(cap) };
  const net = sequential(
    conv2d(16, 4, window),
    maxMin(),
    conv2d(32, 4, window),
    maxMin(),
    flatten(),
    linear(100, dense),
    maxMin(),
    last,
  );
  return { net, inputShape: [1, SIDE, SIDE] };
}

/** Of one batch. Lends `params`. */
export function lossOf(loss: Loss, { outputs, batch: { y }, params }: LossContext): Tensor {
  switch (loss.kind) {
    case "cross-entropy":
      return crossEntropy(outputs, y);
    case "hinge":
      return multiclassHinge(outputs, y, { margin: loss.margin });
    case "hkr":
      return hkr(outputs, y, { margin: loss.margin, alpha: loss.alpha });
    case "certified": {
      // Everything before the last layer is 1-Lipschitz.
      const { weight } = (params as Tree[]).at(-1) as { readonly weight: Tensor };
      return certifiedCrossEntropy(outputs, y, pairwiseBounds(weight.ref, np.array(1)), {
        epsilon: loss.epsilon,
      });
    }
  }
}
