import { readFileSync } from "node:fs";
import { grad, jit, numpy as np, tree } from "@jax-js/jax";
import { expect } from "vitest";
import type { PlainArray } from "../graph-builder.ts";
import * as activations from "../layers/activations.ts";
import { batchNorm } from "../layers/batch-norm.ts";
import { convTranspose2d } from "../layers/conv-transpose.ts";
import { conv1d, conv2d } from "../layers/convolution.ts";
import { elman } from "../layers/elman.ts";
import { embedding } from "../layers/embedding.ts";
import { flatten } from "../layers/flatten.ts";
import { gru } from "../layers/gru.ts";
import { layerNorm } from "../layers/layer-norm.ts";
import { lstm } from "../layers/lstm.ts";
import { averagePool2d, maxPool2d } from "../layers/pooling.ts";
import { relu } from "../layers/relu.ts";
import { fullSort, groupSort, maxMin } from "../layers/sorting.ts";
import type { Module } from "../module.ts";
import type { LayerTree, Tensor } from "../types.ts";
import { float64 } from "./float64.ts";

/** Numbers as test/oracles/torch_layers.py writes them. */
export interface Numbers {
  readonly data: readonly number[];
  readonly shape: readonly number[];
}

/** What PyTorch makes of one layer: test/oracles/torch_layers.py. */
export interface LayerCase {
  readonly name: string;
  readonly layer: string;
  readonly arguments: readonly unknown[];
  readonly input: Numbers;
  readonly params: Readonly<Record<string, Numbers>>;
  readonly state?: Readonly<Record<string, Numbers>>;
  readonly training?: boolean;
  readonly output: Numbers;
  readonly stateAfter?: Readonly<Record<string, Numbers>>;
  /** Gradients are those of ⟨output, cotangent⟩; ids have none. */
  readonly cotangent: Numbers;
  readonly inputGradient?: Numbers;
  readonly gradients: Readonly<Record<string, Numbers>>;
}

const file = new URL("../../../test/fixtures/train/layers.json", import.meta.url);

export const layerCases = JSON.parse(readFileSync(file, "utf8")) as readonly LayerCase[];

const LAYERS: Readonly<Record<string, (...given: never[]) => Module>> = {
  ...activations,
  relu,
  conv1d,
  conv2d,
  convTranspose2d,
  averagePool2d,
  maxPool2d,
  flatten,
  embedding,
  batchNorm,
  layerNorm,
  elman,
  gru,
  lstm,
  maxMin,
  groupSort,
  fullSort,
};

export function moduleOf(given: LayerCase): Module {
  return LAYERS[given.layer](...(given.arguments as never[]));
}

export type FloatType = "float32" | "float64";

export function tensorOf({ data, shape }: Numbers, dtype: FloatType = "float32"): Tensor {
  return dtype === "float64"
    ? float64(data, shape)
    : np.array(Float32Array.from(data), { shape: [...shape] });
}

export function idsOf({ data, shape }: Numbers): Tensor {
  return np.array(Int32Array.from(data), { shape: [...shape] });
}

/** The case's input; without a gradient it is ids. */
export function inputOf(given: LayerCase, dtype: FloatType = "float32"): Tensor {
  return given.inputGradient ? tensorOf(given.input, dtype) : idsOf(given.input);
}

export function treeOf(named: Readonly<Record<string, Numbers>>, dtype: FloatType = "float32"): LayerTree {
  return Object.fromEntries(Object.entries(named).map(([name, numbers]) => [name, tensorOf(numbers, dtype)]));
}

/** The state of a case: statistics where it has any, and nothing for each weight without a control. */
export function stateOf(given: LayerCase, dtype: FloatType = "float32"): LayerTree {
  if (given.state) return treeOf(given.state, dtype);
  const controlled = ["weight", "input", "recurrent"].filter((name) => name in given.params);
  return Object.fromEntries(controlled.map((name) => [name, {}]));
}

export function plainOf(named: Readonly<Record<string, Numbers>> = {}): Record<string, PlainArray> {
  return Object.fromEntries(
    Object.entries(named).map(([name, { data, shape }]) => [name, { data: Float32Array.from(data), shape }]),
  );
}

/** The outputs, [batch, …], and what of a case `apply` left. */
export function outputOf(
  given: LayerCase,
  params: LayerTree,
  x: Tensor,
  dtype: FloatType = "float32",
): Tensor {
  const state = stateOf(given, dtype);
  const applied = moduleOf(given).apply(params, state, x, { training: given.training ?? false });
  tree.dispose([state, applied.state]);
  return applied.y;
}

/** Gradients of ⟨output, cotangent⟩ with respect to params and, unless it is ids, input; compiled by jax-js if asked. */
export function gradientsOf(given: LayerCase, compiled: boolean): Readonly<Record<string, Tensor>> {
  const wants = given.inputGradient !== undefined;
  const loss = ({ x = inputOf(given), ...params }: Record<string, Tensor>) => {
    const y = outputOf(given, params, x);
    tree.dispose(params);
    return np.sum(y.mul(tensorOf(given.cotangent)));
  };
  const gradient = (grad as unknown as typeof gradientOfTree)(loss);
  const all = { ...treeOf(given.params), ...(wants ? { x: inputOf(given) } : {}) } as Record<string, Tensor>;
  return (compiled ? (jit as unknown as <F>(f: F) => F)(gradient) : gradient)(all);
}

/** jax-js's types know functions of arrays, not of trees of them. */
declare function gradientOfTree<T>(f: (given: T) => Tensor): (given: T) => T;

/** The same shape, and numbers as far apart as `tolerance` times the largest of them, or times 1, at most. Consumes `got`. */
export function expectClose(got: Tensor, expected: Numbers, tolerance: number): void {
  expect(got.shape).toEqual(expected.shape);
  expectNumbers(got.dataSync(), expected, tolerance);
}

export function expectNumbers(got: ArrayLike<number>, { data }: Numbers, tolerance: number): void {
  expect(got.length).toBe(data.length);
  const scale = Math.max(1, ...data.map(Math.abs));
  const worst = data.reduce((most, value, i) => Math.max(most, Math.abs(got[i] - value)), 0);
  expect(worst / scale).toBeLessThan(tolerance);
}
