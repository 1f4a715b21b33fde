import type { OnnxNode } from "../../formats/onnx/types.ts";
import {
  floatAttribute,
  floatsAttribute,
  intAttribute,
  stringAttribute,
  stringsAttribute,
} from "../attributes.ts";
import * as pieces from "./activation-pieces.ts";
import { sizeOf } from "./index-maps.ts";
import type { ScalarFunction } from "./operation.ts";
import type { CellWeights } from "./recurrent-cells.ts";
import type { Program } from "./recurrent-program.ts";
import { type Direction, type Sequence, type Source, sequenceOperation } from "./recurrent-sequence.ts";
import type { Binding, OperationRule } from "./rule.ts";
import * as smooth from "./smooth.ts";

/** What tells one kind of recurrent layer from another. */
export interface Layer {
  readonly gates: number;
  /** Inputs that are initial states. */
  readonly initial: readonly number[];
  /** Default activations of one direction. */
  readonly activations: readonly string[];
  readonly program: (weights: CellWeights, node: OnnxNode) => Program;
}

/** An activation with the numbers it takes from activation_alpha and activation_beta, and their defaults. */
interface Activation {
  readonly alpha?: number;
  readonly beta?: number;
  readonly make: (alpha: number, beta: number) => ScalarFunction;
}

const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  tanh: { make: () => smooth.tanh },
  sigmoid: { make: () => smooth.sigmoid },
  relu: { make: () => pieces.relu },
  softsign: { make: () => smooth.softsign },
  softplus: { make: () => smooth.softplus },
  leakyrelu: { alpha: Math.fround(0.01), make: pieces.leaky },
  elu: { alpha: 1, make: pieces.elu },
  hardsigmoid: { alpha: Math.fround(0.2), beta: 0.5, make: pieces.hardSigmoid },
};

/** The activations of all directions in turn, or which is not covered. */
function activationsOf(
  node: OnnxNode,
  defaults: readonly string[],
  directions: number,
): ScalarFunction[] | string {
  const names =
    stringsAttribute(node, "activations") ?? Array.from({ length: directions }, () => defaults).flat();
  if (names.length !== defaults.length * directions) return `it names ${names.length} activations`;
  const alphas = [...(floatsAttribute(node, "activation_alpha") ?? [])];
  const betas = [...(floatsAttribute(node, "activation_beta") ?? [])];
  const made: ScalarFunction[] = [];
  for (const name of names) {
    const activation = ACTIVATIONS[name.toLowerCase()];
    if (activation === undefined) return `its activation ${name} is not covered`;
    const { alpha, beta, make } = activation;
    const a = alpha === undefined ? 0 : (alphas.shift() ?? alpha);
    const b = beta === undefined ? 0 : (betas.shift() ?? beta);
    made.push(make(a, b));
  }
  return made;
}

const LENGTHS = 4;
const PEEPHOLES = 7;

/** What makes a node another function than the plain layer. */
function unusual({ node, inputs }: Binding, steps: number): string | undefined {
  if (floatAttribute(node, "clip") !== undefined) return "clip is not covered";
  if ((intAttribute(node, "input_forget") ?? 0) !== 0) return "input_forget is not covered";
  if (inputs[PEEPHOLES] !== undefined) return "peephole weights are not covered";
  const lengths = inputs[LENGTHS];
  if (lengths === undefined || lengths.data?.every((n) => n === steps)) return undefined;
  return "sequences of different lengths (sequence_lens) are not covered";
}

const WEIGHTS = [1, 2, 3];

/** The layer with its weights, or what is wrong with it. */
export function sequenceOf(layer: Layer, binding: Binding): Sequence | string {
  const { node, inputs, signals, outputs } = binding;
  const x = inputs[0]?.shape ?? [];
  if (x.length !== 3) return `it takes sequences of vectors, got shape [${x}]`;
  const batchFirst = intAttribute(node, "layout") === 1;
  const [steps, batch] = batchFirst ? [x[1], x[0]] : x;
  const wrong = unusual(binding, steps);
  if (wrong !== undefined) return wrong;
  const [w, r, bias] = WEIGHTS.map((i) => inputs[i]);
  if (WEIGHTS.some((i) => inputs[i] !== undefined && !inputs[i]?.data?.every(Number.isFinite)))
    return "its weights depend on the network's input, or are not finite";
  const hidden = r?.shape[2] ?? 0;
  const direction = stringAttribute(node, "direction") ?? "forward";
  const reverses = { forward: [false], reverse: [true], bidirectional: [false, true] }[direction];
  if (reverses === undefined) return `its direction is ${direction}`;
  const count = reverses.length;
  const gates = layer.gates * hidden;
  const fits =
    w?.shape.join() === [count, gates, x[2]].join() &&
    r?.shape.join() === [count, gates, hidden].join() &&
    (bias === undefined || bias.shape.join() === [count, 2 * gates].join());
  if (!fits || w?.data === undefined || r?.data === undefined) return "the shapes of its weights do not fit";
  if (sizeOf(x) * gates === 0) return "its input or state is empty";
  const activations = activationsOf(node, layer.activations, count);
  if (typeof activations === "string") return activations;
  const perDirection = layer.activations.length;
  const part = (data: Float64Array, d: number) =>
    data.subarray((d * data.length) / count, ((d + 1) * data.length) / count);
  const [wData, rData] = [w.data, r.data];
  const directions = reverses.map((reverse, d): Direction => {
    const both = bias?.data && part(bias.data, d);
    const weights: CellWeights = {
      input: x[2],
      hidden,
      w: part(wData, d),
      r: part(rData, d),
      bias: both && [both.subarray(0, gates), both.subarray(gates)],
      activations: activations.slice(d * perDirection, (d + 1) * perDirection),
    };
    return { program: layer.program(weights, node), reverse };
  });
  const states = count * batch * hidden;
  const source = (index: number): Source => {
    const at = signals.indexOf(index);
    return at >= 0 ? { signal: at } : { data: inputs[index]?.data ?? new Float64Array(states) };
  };
  const gives = [0, ...layer.initial.map((_, i) => i + 1)].map((i) => outputs[i] !== undefined);
  return {
    layout: { steps, batch, input: x[2], hidden, batchFirst, gives },
    directions,
    x: source(0),
    initial: layer.initial.map(source),
  };
}

/** Runs the layer; absent initial states are zero. */
export function recurrentOperation(layer: Layer): OperationRule {
  return (binding) => {
    const sequence = sequenceOf(layer, binding);
    return typeof sequence === "string" ? sequence : sequenceOperation(sequence);
  };
}
