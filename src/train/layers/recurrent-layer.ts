import { numpy as np, random } from "@jax-js/jax";
import type { AttributeDescription } from "../../formats/onnx/encode.ts";
import { checkChoice, checkCount, checkFlag, checkOptions } from "../checks.ts";
import { effectiveWeight, initWeight } from "../controlled.ts";
import type { Control } from "../controls/control.ts";
import { uncontrolled } from "../controls/uncontrolled.ts";
import { ShapeError } from "../errors.ts";
import type { Module } from "../module.ts";
import { arrayIn, layerTree, lend } from "../trees.ts";
import type { LayerTree, Shape, Tensor } from "../types.ts";
import type { WeightSlot } from "../weight.ts";
import { denseOperator } from "./dense-operator.ts";
import { uniformFanIn } from "./initial.ts";
import { emitRecurrent } from "./recurrent-emit.ts";
import { betweenSteps } from "./slots.ts";
import { joinSteps, splitSteps } from "./steps.ts";

export interface RecurrentOptions {
  /** Every state, [steps, hidden] (default), or the last one, [hidden]. */
  readonly returns?: "sequence" | "last";
  /** Whether biases are added. Default true. */
  readonly bias?: boolean;
  /** How the recurrent kernel [gates·hidden, hidden] is kept from being steep. Default: not at all. */
  readonly control?: Control;
  /** How the input kernel [gates·hidden, features] is kept from being steep. Default: not at all. */
  readonly inputControl?: Control;
}

const RECURRENT_OPTIONS = ["returns", "bias", "control", "inputControl"];

/** What a recurrent layer does in one step. States are lists of arrays [batch, hidden], the first of which is given out. */
export interface Cell {
  readonly kind: string;
  /** Options of its own, already checked. */
  readonly options: readonly string[];
  /** Blocks of rows in its kernels. */
  readonly gates: number;
  /** How many arrays its state has. */
  readonly states: number;
  /** Whether the recurrent bias belongs to `ofState`; otherwise it comes with `ofInput`, once for all steps. */
  readonly biasOfState: boolean;
  /** The state after a step, from W x and R h with their biases, [batch, gates·hidden] each. Consumes everything. */
  step(ofInput: Tensor, ofState: Tensor, states: readonly Tensor[]): Tensor[];
  readonly onnx: RecurrentNode;
}

/** The ONNX operator of a cell. */
export interface RecurrentNode {
  readonly opType: "RNN" | "GRU" | "LSTM";
  /** Which of PyTorch's gates stands at each of ONNX's places. */
  readonly order: readonly number[];
  readonly attributes: Readonly<Record<string, AttributeDescription>>;
}

/**
 * A recurrent layer, unrolled over the steps of its input [steps, features]. Parameters, of PyTorch's layouts and gate orders:
 * `input` [gates·hidden, features], `recurrent` [gates·hidden, hidden], `inputBias`, `recurrentBias` [gates·hidden]. The state
 * before the first step is zero.
 */
export function recurrentLayer(cell: Cell, hidden: number, options: RecurrentOptions): Module {
  const { kind, gates } = cell;
  checkCount(kind, "hidden", hidden);
  checkOptions(kind, options, [...RECURRENT_OPTIONS, ...cell.options]);
  const returns = checkChoice(kind, "returns", options.returns ?? "sequence", ["sequence", "last"]);
  const hasBias = checkFlag(kind, "bias", options.bias ?? true);
  const input = denseSlot("input", options.inputControl);
  const recurrent = denseSlot("recurrent", options.control);
  const kernelsOf = (params: LayerTree, state: LayerTree): Kernels => ({
    input: transposedKernel(input, params, state),
    recurrent: transposedKernel(recurrent, params, state),
    ...(hasBias ? biasesOf(cell, params) : {}),
  });

  const outputShape = (inputShape: Shape): Shape => {
    if (inputShape.length !== 2 || inputShape.some((size) => size < 1)) {
      throw new ShapeError(
        `${kind} takes inputs of shape [steps, features] after the batch axis; got [${inputShape}].`,
      );
    }
    return returns === "last" ? [hidden] : [inputShape[0], hidden];
  };

  return {
    kind,
    outputShape,

    init(key, inputShape) {
      outputShape(inputShape);
      const [rows, features] = [gates * hidden, inputShape[1]];
      const keys = [...random.split(key, 6)];
      // PyTorch starts everything uniform in ±1/√hidden.
      const draw = (i: number, shape: Shape) => uniformFanIn(keys[i], shape, hidden);
      const ofInput = initWeight(input, draw(0, [rows, features]), [features], keys[1]);
      const ofState = initWeight(recurrent, draw(2, [rows, hidden]), [hidden], keys[3]);
      const params = { ...ofInput.params, ...ofState.params };
      if (hasBias) Object.assign(params, { inputBias: draw(4, [rows]), recurrentBias: draw(5, [rows]) });
      else for (const unused of keys.slice(4)) unused.dispose();
      return { params, state: { ...ofInput.state, ...ofState.state } };
    },

    apply(params, state, x) {
      outputShape(x.shape.slice(1));
      const [ownParams, ownState] = [layerTree(params), layerTree(state)];
      checkFeatures(kind, arrayIn(ownParams, "input").shape, x.shape);
      const states = unroll(cell, kernelsOf(ownParams, ownState), x, hidden);
      if (returns === "sequence")
        return { y: np.transpose(joinSteps(states), [1, 0, 2]), state: lend(state) };
      for (const earlier of states.slice(0, -1)) earlier.dispose();
      return { y: states.at(-1)!, state: lend(state) };
    },

    ...betweenSteps([
      { slot: input, inputShape: (shape) => shape.slice(1) },
      { slot: recurrent, inputShape: () => [hidden] },
    ]),

    emit(graph, signal, values) {
      const name = emitRecurrent(graph, signal, values, { node: cell.onnx, hidden, returns, hasBias });
      return { name, shape: outputShape(signal.shape) };
    },
  };
}

/** What every step uses, made once for a sequence. */
interface Kernels {
  /** [features, gates·hidden]. */
  readonly input: Tensor;
  /** [hidden, gates·hidden]. */
  readonly recurrent: Tensor;
  readonly inputBias?: Tensor;
  readonly stateBias?: Tensor;
}

function denseSlot(name: string, control: Control = uncontrolled): WeightSlot {
  return { name, operator: denseOperator, control };
}

/** The kernel as the layer uses it, scaled here and not in every step, and transposed. */
function transposedKernel(slot: WeightSlot, params: LayerTree, state: LayerTree): Tensor {
  const { weight, scale } = effectiveWeight(slot, params, state);
  return np.transpose(scale ? weight.mul(scale) : weight);
}

function biasesOf(cell: Cell, params: LayerTree): Pick<Kernels, "inputBias" | "stateBias"> {
  const [inputBias, recurrentBias] = [arrayIn(params, "inputBias").ref, arrayIn(params, "recurrentBias").ref];
  if (cell.biasOfState) return { inputBias, stateBias: recurrentBias };
  return { inputBias: inputBias.add(recurrentBias) };
}

/** The first array of the state after every step, [batch, hidden] each. Consumes x [batch, steps, features] and the kernels. */
function unroll(cell: Cell, kernels: Kernels, x: Tensor, hidden: number): Tensor[] {
  const [batch] = x.shape;
  const { dtype } = x;
  const outputs: Tensor[] = [];
  let states = Array.from({ length: cell.states }, () => np.zeros([batch, hidden], { dtype }));
  for (const ofInput of projected(x, kernels)) {
    const product = np.matmul(states[0].ref, kernels.recurrent.ref);
    const ofState = kernels.stateBias ? product.add(kernels.stateBias.ref) : product;
    states = cell.step(ofInput, ofState, states);
    outputs.push(states[0].ref);
  }
  for (const used of [...states, kernels.recurrent, kernels.stateBias]) used?.dispose();
  return outputs;
}

/** W x + b of every step, [batch, gates·hidden] each, in one product. Consumes x, the input kernel and its bias. */
function projected(x: Tensor, { input, inputBias }: Kernels): Tensor[] {
  const [batch, steps, features] = x.shape;
  const rows = np.transpose(x, [1, 0, 2]).reshape([steps * batch, features]);
  const product = np.matmul(rows, input);
  const sums = inputBias ? product.add(inputBias) : product;
  return splitSteps(sums.reshape([steps, batch, sums.shape[1]]));
}

function checkFeatures(kind: string, kernel: Shape, batch: Shape): void {
  if (batch[2] === kernel[1]) return;
  throw new ShapeError(
    `${kind} was made for ${kernel[1]} features, so it takes batches of shape [batch, steps, ${kernel[1]}]; got [${batch}].`,
  );
}
