import type { Network, NetworkNode } from "../../src/network/network.ts";
import type { ScalarFunction } from "../../src/network/operators/operation.ts";
import { densePart } from "../../src/network/operators/parts.ts";

/** One dense layer: rows of weights, and a bias. */
export interface Layer {
  readonly weights: readonly (readonly number[])[];
  readonly bias?: readonly number[];
}

const RELU: ScalarFunction = {
  value: (x) => Math.max(x, 0),
  slope: (x) => (x > 0 ? 1 : 0),
  image: (lo, hi) => [Math.max(lo, 0), Math.max(hi, 0)],
  slopes: (lo, hi) => (lo >= 0 ? [1, 1] : hi <= 0 ? [0, 0] : [0, 1]),
};

/** Dense layers with ReLU between them, on one flat input. */
export function denseNetwork(...layers: readonly Layer[]): Network {
  const size = layers[0].weights[0].length;
  const nodes: NetworkNode[] = [];
  let from = { node: -1, offset: 0, size };
  const add = (op: string, length: number, operation: NetworkNode["operation"]) => {
    nodes.push({ name: `${op}${nodes.length}`, op, inputs: [from], size: length, operation });
    from = { node: nodes.length - 1, offset: 0, size: length };
  };
  layers.forEach(({ weights, bias }, k) => {
    if (k > 0) add("Relu", from.size, { kind: "elementwise", unit: () => RELU });
    const entries = Float64Array.from(weights.flat());
    const part = densePart(entries, weights.length, from.size);
    const offset = bias === undefined ? {} : { offset: Float64Array.from(bias) };
    add("Gemm", weights.length, { kind: "affine", parts: [part], ...offset });
  });
  return {
    inputs: [{ name: "x", shape: [1, size], size }],
    outputs: [{ name: "y", shape: [1, from.size], ref: from }],
    nodes,
  };
}

/** ‖w_label − w_j‖ and the outputs' margin give each class's boundary; the smallest distance, for one layer. */
export function exactRadius({ weights, bias }: Layer, x: ArrayLike<number>, label: number): number {
  const output = (j: number) =>
    weights[j].reduce((sum, w, i) => sum + w * x[i], 0) + (bias === undefined ? 0 : bias[j]);
  const distances = weights.flatMap((row, j) => {
    if (j === label) return [];
    const length = Math.hypot(...row.map((w, i) => w - weights[label][i]));
    return [(output(label) - output(j)) / length];
  });
  return Math.min(...distances);
}
