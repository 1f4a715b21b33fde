import { numpy as np, tree } from "@jax-js/jax";
import { usingJax } from "../../train/export/arrays.ts";
import { bake } from "../../train/export/bake.ts";
import type { PlainArray } from "../../train/graph-builder.ts";
import {
  bound,
  type Control,
  linear,
  type Module,
  relu,
  sequential,
  type Tree,
  tanh,
  uncontrolled,
  type Variables,
} from "../../train.ts";

/** What is between the layers. */
export type Activation = "tanh" | "relu";

/** A multi-layer perceptron with layers of these sizes, the last one linear, and every weight under the control. */
export function perceptron(sizes: readonly number[], activation: Activation, control: Control): Module {
  const between = activation === "tanh" ? tanh() : relu();
  return sequential(
    ...sizes.flatMap((size, i) => (i === 0 ? [] : [between]).concat(linear(size, { control }))),
  );
}

/** A trained perceptron's numbers: every weight as its layer uses it, shrunk to what its control promises. */
export interface Perceptron {
  readonly activation: Activation;
  readonly layers: readonly PerceptronLayer[];
}

export interface PerceptronLayer {
  readonly inputs: number;
  readonly outputs: number;
  /** [outputs, inputs] */
  readonly weight: Float32Array<ArrayBuffer>;
  readonly bias: Float32Array<ArrayBuffer>;
}

/** The numbers of a `perceptron`, whose trees are lent. */
export async function numbersOf(
  net: Module,
  variables: Variables,
  inputs: number,
  activation: Activation,
): Promise<Perceptron> {
  const { values } = await usingJax(variables, (arrays) => bake(net, arrays, [inputs], { prove: true }));
  const members = values.params as unknown as readonly { weight?: PlainArray; bias: PlainArray }[];
  const layers = members.flatMap(({ weight, bias }) => {
    if (weight === undefined) return [];
    const [outputs, own] = weight.shape;
    return {
      outputs,
      inputs: own,
      weight: Float32Array.from(weight.data),
      bias: Float32Array.from(bias.data),
    };
  });
  return { activation, layers };
}

/** f(x) of one x, in float64. */
export function evaluate({ layers, activation }: Perceptron, x: ArrayLike<number>): Float64Array {
  let at = Float64Array.from(x);
  for (const [i, { inputs, outputs, weight, bias }] of layers.entries()) {
    const next = new Float64Array(outputs);
    for (let row = 0; row < outputs; row++) {
      let sum = bias[row];
      for (let column = 0; column < inputs; column++) sum += weight[row * inputs + column] * at[column];
      next[row] = i === layers.length - 1 ? sum : activation === "tanh" ? Math.tanh(sum) : Math.max(0, sum);
    }
    at = next;
  }
  return at;
}

/** A proved upper bound of the perceptron's Lipschitz constant. */
export async function steepness({ layers, activation }: Perceptron): Promise<number> {
  const net = perceptron(
    layers.map(({ outputs }) => outputs),
    activation,
    uncontrolled,
  );
  const params: Tree = layers.flatMap(({ weight, bias, outputs, inputs }, i) => [
    ...(i === 0 ? [] : [{}]),
    { weight: np.array(weight, { shape: [outputs, inputs] }), bias: np.array(bias) },
  ]);
  const state: Tree = layers.flatMap((_, i) => (i === 0 ? [{}] : [{}, {}]));
  try {
    const { upper } = await bound(net, params, state, {
      inputShape: [layers[0].inputs],
      guarantee: "proof",
      seed: 1,
    });
    return upper!;
  } finally {
    tree.dispose(params);
  }
}
