import { TrainError } from "../errors.ts";
import type { GraphBuilder, LayerValues, PlainArray, Signal } from "../graph-builder.ts";
import { arrayValue, layerValues } from "../values.ts";
import { int, ints } from "./attributes.ts";
import type { RecurrentNode } from "./recurrent-layer.ts";

export interface RecurrentShape {
  readonly node: RecurrentNode;
  readonly hidden: number;
  readonly returns: "sequence" | "last";
  readonly hasBias: boolean;
}

/** RNN, GRU or LSTM between the transpositions that its layout [steps, batch, features] needs; gives the output's name. */
export function emitRecurrent(
  graph: GraphBuilder,
  input: Signal,
  values: LayerValues,
  shape: RecurrentShape,
): string {
  const { node, hidden, returns } = shape;
  const stepsFirst = graph.node("Transpose", [input.name], { perm: ints([1, 0, 2]) });
  const weights = weightsOf(values, shape).map(([name, value]) =>
    graph.weight(`${values.path}${name}`, value),
  );
  const attributes = { ...node.attributes, hidden_size: int(hidden) };
  const [all, last] = graph.nodes(node.opType, [stepsFirst, ...weights], 2, attributes);
  // One direction: [steps, 1, batch, hidden] and [1, batch, hidden].
  if (returns === "last") return graph.node("Squeeze", [last, graph.integers([0])]);
  const sequence = graph.node("Squeeze", [all, graph.integers([1])]);
  return graph.node("Transpose", [sequence], { perm: ints([1, 0, 2]) });
}

/** W, R and B of the ONNX operator: gates in its order, one direction, both biases in one row. */
function weightsOf(
  values: LayerValues,
  { node, hasBias }: RecurrentShape,
): (readonly [string, PlainArray])[] {
  const { params } = layerValues(values);
  const kernel = (name: string) => {
    const { data, shape } = arrayValue(params, name);
    return [name, { data: reordered(data, node.order), shape: [1, ...shape] }] as const;
  };
  const kernels = [kernel("input"), kernel("recurrent")];
  if (!hasBias) return kernels;
  const parts = ["inputBias", "recurrentBias"].map((name) =>
    reordered(arrayValue(params, name).data, node.order),
  );
  const data = Float32Array.from(parts.flatMap((part) => [...part]));
  return [...kernels, ["biases", { data, shape: [1, data.length] }]];
}

/** The blocks of rows of a kernel or bias, one for each gate, in another order. */
function reordered(data: Float32Array, order: readonly number[]): Float32Array {
  const size = data.length / order.length;
  if (!Number.isInteger(size)) {
    throw new TrainError(`A recurrent kernel of ${data.length} numbers does not hold ${order.length} gates.`);
  }
  const result = new Float32Array(data.length);
  order.forEach((gate, place) => {
    result.set(data.subarray(gate * size, (gate + 1) * size), place * size);
  });
  return result;
}
