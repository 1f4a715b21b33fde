import type { Model, TensorEntry } from "../../src/formats/model.ts";
import type { OnnxNode } from "../../src/formats/onnx/types.ts";
import type { ConvolutionGeometry } from "../../src/linalg/geometry.ts";
import type { GraphNode, GraphPlan, WeightPlan, WeightUse } from "../../src/network/use.ts";

/** The model's tensor of that name. */
export function tensor(model: Model, name: string): TensorEntry {
  const found = model.tensors.find((entry) => entry.name === name);
  if (found === undefined) throw new Error(`no tensor ${name}`);
  return found;
}

/** A two-dimensional tensor used as it is stored. */
export function denseUse(model: Model, name: string, extra: Partial<WeightUse> = {}): WeightUse {
  const weight = tensor(model, name);
  const [rows, cols] = weight.shape as [number, number];
  return {
    name,
    weight,
    operator: "dense",
    layout: { kind: "matrix", count: 1, rows, cols },
    problems: [],
    ...extra,
  };
}

/** A four-dimensional tensor used as a convolution. */
export function convolutionUse(model: Model, name: string, inputSize?: readonly number[]): WeightUse {
  const weight = tensor(model, name);
  const axes = weight.shape.slice(2);
  const geometry: ConvolutionGeometry = {
    inputSize,
    strides: axes.map(() => 1),
    padding: axes.map(() => [1, 1] as const),
    dilations: axes.map(() => 1),
    groups: 1,
    boundary: "zero",
  };
  return {
    name,
    weight,
    operator: "conv",
    layout: { kind: "convolution", kernelShape: weight.shape, geometry },
    problems: [],
  };
}

export function plan(uses: readonly WeightUse[], extra: Partial<WeightPlan> = {}): WeightPlan {
  return { uses, skipped: [], graph: null, ...extra };
}

/** A chain of weights with activations of slope 1 between them. */
export function chainOf(uses: readonly WeightUse[]): GraphPlan {
  const source: OnnxNode = {
    name: "",
    opType: "",
    domain: "",
    inputs: [],
    outputs: [],
    attributes: new Map(),
  };
  const nodes = uses.flatMap((use, i): GraphNode[] => {
    const [from, middle, to] = [i === 0 ? "x" : `v${i - 1}`, `u${i}`, `v${i}`];
    const node = { source, join: "sum" as const, weights: [1] };
    return [
      {
        ...node,
        node: use.name,
        op: "Gemm",
        takes: [from],
        gives: [middle],
        steps: [{ factor: { use }, because: "σ of its weight" }],
      },
      {
        ...node,
        node: `${use.name}/relu`,
        op: "Relu",
        takes: [middle],
        gives: [to],
        steps: [{ factor: { constant: 1 }, because: "slope at most 1" }],
      },
    ];
  });
  return { inputs: ["x"], outputs: [`v${uses.length - 1}`], nodes };
}

/** The model as if its file held a graph. */
export function withGraph(model: Model): Model {
  const graph = {
    name: "test",
    nodes: [],
    initializers: new Map(),
    inputs: [],
    outputs: [],
    values: new Map(),
  };
  return {
    ...model,
    format: "onnx",
    rewrite: model.rewrite.bind(model),
    onnx: { irVersion: 8, producer: "test", opsets: new Map(), graph },
  };
}
