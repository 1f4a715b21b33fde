import { numpy as np, tree } from "@jax-js/jax";
import type { LayerTree, Shape } from "../../train/types.ts";
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

/**
 * What the recurrent kernel starts from: what its layer always does, or the isometry that suits the task (`SequenceTask.isometry`).
 */
export type KernelStart = "usual" | "isometry";

/** A recurrent layer, and how its weights are held. */
export interface RnnArm extends Arm {
  readonly layer: "elman" | "lipschitz" | "gru";
  /** Of the recurrent kernel; default: none. */
  readonly control?: Control;
  /** Starts to choose from; default: the usual one. */
  readonly kernelStarts?: readonly KernelStart[];
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
    name: "bandStart",
    title: "the band’s start",
    about: "W starts from the same matrix as the band’s; after that nothing is held.",
    layer: "elman",
    kernelStarts: ["isometry"],
  },
  {
    name: "spectral",
    title: "spectral norm",
    about:
      "The recurrent kernel W is divided by its largest singular value. Whether it starts like the plain one or like the band’s is tuned.",
    layer: "elman",
    control: spectralNorm(),
    kernelStarts: ["usual", "isometry"],
  },
  {
    name: "band",
    title: "band [1, 1] (Björck)",
    about:
      "Every singular value of W is held at 1: W is kept orthonormal by two steps of Björck’s iteration. It starts from a random orthonormal matrix (copy, digits) or from the identity (adding).",
    layer: "elman",
    control: ORTHONORMAL,
    kernelStarts: ["isometry"],
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

/** What a network starts from, besides its seed. */
export interface Starts {
  /** Input kernels are uniform in plus or minus this share of 1/√features. */
  readonly inputStart: number;
  readonly kernelStart: KernelStart;
}

/**
 * The network of an arm for a task: its recurrent layer, and a linear layer that reads the states. Recurrent layers have no bias
 * of their own but the Lipschitz RNN's, since a constant drive over hundreds of steps moves tanh to where it is flat; a small
 * start of the input kernel keeps states where tanh has slope 1, a large one is seen at once. Readouts start from the prior.
 */
export function networkOf(
  arm: RnnArm,
  task: SequenceTask,
  { inputStart, kernelStart }: Starts,
): { net: Module; step: StepKind } {
  const { layer, step } = recurrentOf(arm, task.answers === "each" ? "sequence" : "last");
  const started = kernelStart === "usual" ? layer : startingAsIsometry(layer, task.isometry);
  const recurrent = startingFrom(started, {
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
  return { net: sequential(...frontOf(task), recurrent, readout), step };
}

function frontOf({ front }: SequenceTask): Module[] {
  if (front === null) return [];
  return [startingFrom(linear(front.units), { bias: (bias) => bias.add(front.bias) }), relu()];
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

/** An Elman layer whose recurrent kernel starts with all singular values 1. */
function startingAsIsometry(layer: Module, isometry: SequenceTask["isometry"]): Module {
  return {
    ...layer,
    init(key, inputShape) {
      const usual = layer.init(key.ref, inputShape);
      const kernel = isometry === "identity" ? np.eye(HIDDEN) : orthonormalKernel(key.ref, inputShape);
      key.dispose();
      const { recurrent, ...others } = usual.params as LayerTree;
      tree.dispose(recurrent);
      const params = { ...others, recurrent: kernel };
      // The control's state is of the usual start: power iterations have to see the new one.
      const state = layer.advance?.(params, usual.state) ?? tree.ref(usual.state);
      tree.dispose(usual.state);
      return { params, state };
    },
  };
}

/** The orthonormal matrix nearest to the usual start. Consumes the key. */
function orthonormalKernel(key: Tensor, inputShape: Shape): Tensor {
  const { params, state } = elman(HIDDEN, { control: ORTHONORMAL }).init(key, inputShape);
  const { recurrent, ...others } = params as LayerTree;
  tree.dispose([others, state]);
  return recurrent as Tensor;
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
