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
/** Two steps of Björck's iteration in every use. */
const ORTHONORMAL = bjorck({ iterations: 2 });

/** A recurrent layer, and how its weights are held. */
export interface RnnArm extends Arm {
  readonly layer: "elman" | "lipschitz" | "gru";
  /** Of the recurrent kernel; default: none. */
  readonly control?: Control;
  /** Whose start the recurrent kernel has; default: that of `control`. */
  readonly startOf?: Control;
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
    name: "orthonormalStart",
    title: "orthonormal start",
    about: "W starts from the same orthonormal matrices as the band’s; after that nothing is held.",
    layer: "elman",
    startOf: ORTHONORMAL,
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
    control: ORTHONORMAL,
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
 * kernels start uniform in ±inputStart/√features: a small one keeps states where tanh has slope 1, a large one is seen at once.
 * Readouts start from the prior.
 */
export function networkOf(
  arm: RnnArm,
  task: SequenceTask,
  inputStart: number,
): { net: Module; step: StepKind } {
  const { layer, step } = recurrentOf(arm, task.answers === "each" ? "sequence" : "last");
  const recurrent = startingFrom(layer, {
    // Layers start them uniform in ±1/√hidden.
    input: (kernel) => kernel.mul(inputStart * Math.sqrt(HIDDEN / kernel.shape[1])),
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
  { layer, control = uncontrolled, startOf = control }: RnnArm,
  returns: "sequence" | "last",
): { layer: Module; step: StepKind } {
  switch (layer) {
    case "elman": {
      const { init } = elman(HIDDEN, { returns, control: startOf, bias: false });
      return { layer: { ...elman(HIDDEN, { returns, control, bias: false }), init }, step: "tanh" };
    }
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
