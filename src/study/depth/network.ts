import { tree } from "@jax-js/jax";
import {
  batchNorm,
  bjorck,
  type Control,
  linear,
  type Module,
  maxMin,
  relu,
  type Shape,
  sequential,
  spectralNorm,
  type Tensor,
  uncontrolled,
} from "../../train.ts";

export type DeepArm = "none" | "decay" | "spectral" | "spectralMaxMin" | "orthonormal" | "batchNorm";

/** Makes a new array. */
export type PlainActivation = (values: Float64Array) => Float64Array<ArrayBuffer>;

/** A deep network that can be looked into: hidden layers of one width, then a last layer that nothing controls. */
export interface Deep {
  /** A weight with what belongs to it (normalisation, activation), from the input on. */
  readonly hidden: readonly Module[];
  readonly width: number;
  readonly last: Module;
  /** Whether a batch normalisation follows every weight. */
  readonly isNormalized: boolean;
  /** The hidden layers' activation in plain numbers. */
  readonly activation: PlainActivation;
  /** The whole: its trees are the lists of the hidden layers' trees and the last one's. */
  readonly network: Module;
}

/** √6 times PyTorch's uniform start is that of He et al. 2015 (arXiv:1502.01852). */
const HE = Math.sqrt(6);

export interface DeepSizes {
  readonly depth: number;
  readonly width: number;
  readonly outputs: number;
  /** On He's starting weights, where nothing else says how large weights are. */
  readonly factor: number;
}

export function deepNetwork(arm: DeepArm, { depth, width, outputs, factor }: DeepSizes): Deep {
  const control = controlOf(arm);
  const sorts = arm === "spectralMaxMin" || arm === "orthonormal";
  const isNormalized = arm === "batchNorm";
  const activation = sorts ? maxMin : relu;
  const hidden = Array.from({ length: depth }, () => {
    const weight = linear(width, { control });
    const own = control === uncontrolled ? startingAt(weight, HE * factor) : weight;
    return isNormalized ? sequential(own, batchNorm(), activation()) : sequential(own, activation());
  });
  const last = linear(outputs);
  return {
    hidden,
    width,
    last,
    isNormalized,
    activation: sorts ? plainMaxMin : plainRelu,
    network: sequential(...hidden, last),
  };
}

function controlOf(arm: DeepArm): Control {
  if (arm === "spectral" || arm === "spectralMaxMin") return spectralNorm();
  return arm === "orthonormal" ? bjorck() : uncontrolled;
}

/** The same module with its parameters times `scale` at the start. */
function startingAt(module: Module, scale: number): Module {
  return {
    ...module,
    init(key: Tensor, inputShape: Shape) {
      const { params, state } = module.init(key, inputShape);
      return { params: tree.map((array: Tensor) => array.mul(scale), params), state };
    },
  };
}

function plainRelu(values: Float64Array): Float64Array<ArrayBuffer> {
  return Float64Array.from(values, (value) => Math.max(0, value));
}

/** The maxima of the pairs (i, i + n/2), then their minima: what `maxMin` makes, in its order. */
function plainMaxMin(values: Float64Array): Float64Array<ArrayBuffer> {
  const half = values.length / 2;
  return Float64Array.from(values, (value, i) =>
    i < half ? Math.max(value, values[i + half]) : Math.min(value, values[i - half]),
  );
}
