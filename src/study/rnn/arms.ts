import { numpy as np } from "@jax-js/jax";
import {
  bjorck,
  type Control,
  elman,
  gru,
  linear,
  type Module,
  relu,
  sequential,
  spectralNorm,
  type Tensor,
  uncontrolled,
} from "../../train.ts";
import type { Arm } from "../study.ts";
import { lipschitzRnn } from "./lipschitz-rnn.ts";
import type { StepKind } from "./memory.ts";
import type { SequenceTask } from "./tasks.ts";

/** Units of every recurrent layer. */
const HIDDEN = 128;
const CLIP_NORM = 1;
/** Input kernels start uniform in plus or minus this much over √features: states are small, where tanh keeps gradients. */
const INPUT_START = 0.05;

/** A recurrent layer, and how its weights are held. */
export interface RnnArm extends Arm {
  readonly layer: "elman" | "lipschitz" | "gru";
  /** Of the recurrent kernel; default: none. */
  readonly control?: Control;
  /** The largest norm of the gradient over all parameters. */
  readonly clipNorm?: number;
}

export const RNN_ARMS: readonly RnnArm[] = [
  {
    name: "plain",
    title: "plain",
    about: "h ← tanh(W h + U x), W uniform in ±1/√128 at the start as in PyTorch, nothing held.",
    layer: "elman",
  },
  {
    name: "clipping",
    title: "gradient clipping",
    about: "The same, gradients scaled down to a norm of 1 over all parameters.",
    layer: "elman",
    clipNorm: CLIP_NORM,
  },
  {
    name: "spectral",
    title: "spectral norm",
    about: "The recurrent kernel W is divided by its largest singular value.",
    layer: "elman",
    control: spectralNorm(),
  },
  {
    name: "band",
    title: "band [1, 1] (Björck)",
    about:
      "Every singular value of W is held at 1: W is kept orthonormal by two steps of Björck’s iteration.",
    layer: "elman",
    control: bjorck({ iterations: 2 }),
  },
  {
    name: "lipschitz",
    title: "Lipschitz RNN",
    about:
      "h ← h + ε(A h + tanh(W h + U x + b)), A and W nearly antisymmetric (Erichson et al. 2021); ε = 0.03.",
    layer: "lipschitz",
  },
  {
    name: "gru",
    title: "GRU",
    about: "Gates, nothing held; as many units, so three times the weights.",
    layer: "gru",
  },
];

/**
 * The network of an arm for a task: its recurrent layer, and a linear layer that reads the states. Recurrent layers have no bias
 * of their own but the Lipschitz RNN's, since a constant drive over hundreds of steps moves tanh to where it is flat; their input
 * kernels start small. Readouts start from the prior.
 */
export function networkOf(arm: RnnArm, task: SequenceTask): { net: Module; step: StepKind } {
  const { layer, step } = recurrentOf(arm, task.answers === "each" ? "sequence" : "last");
  const recurrent = startingFrom(layer, {
    input: (kernel) => kernel.mul(INPUT_START * Math.sqrt(HIDDEN / kernel.shape[1])),
    inputBias: (bias) => bias.mul(0),
  });
  const readout = startingFrom(linear(task.outputs), {
    bias(bias) {
      bias.dispose();
      return np.array([...task.prior]);
    },
  });
  const front = task.front === 0 ? [] : [linear(task.front), relu()];
  return { net: sequential(...front, recurrent, readout), step };
}

function recurrentOf(
  { layer, control = uncontrolled }: RnnArm,
  returns: "sequence" | "last",
): { layer: Module; step: StepKind } {
  switch (layer) {
    case "elman":
      return { layer: elman(HIDDEN, { returns, control, bias: false }), step: "tanh" };
    case "lipschitz":
      return { layer: lipschitzRnn(HIDDEN, returns), step: "lipschitz" };
    case "gru":
      return { layer: gru(HIDDEN, { returns, control, bias: false }), step: "gru" };
  }
}

/** A layer some of whose parameters start otherwise; each function consumes the usual start. */
function startingFrom(layer: Module, starts: Readonly<Record<string, (usual: Tensor) => Tensor>>): Module {
  return {
    ...layer,
    init(key, inputShape) {
      const { params, state } = layer.init(key, inputShape);
      const arrays = Object.entries(params as Record<string, Tensor>).map(([name, array]) => [
        name,
        starts[name]?.(array) ?? array,
      ]);
      return { params: Object.fromEntries(arrays), state };
    },
  };
}
