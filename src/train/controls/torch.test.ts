import { readFileSync } from "node:fs";
import { defaultDevice, init, numpy as np, tree } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import { differentiate } from "../differentiate.ts";
import { convTranspose2d } from "../layers/conv-transpose.ts";
import { conv2d } from "../layers/convolution.ts";
import { embedding } from "../layers/embedding.ts";
import { linear } from "../layers/linear.ts";
import type { Module } from "../module.ts";
import { distance, numbers, tensor } from "../testing/controlled-weights.ts";
import { arrayIn, layerTree } from "../trees.ts";
import type { LayerTree, Tensor } from "../types.ts";
import type { WeightUse } from "../weight.ts";
import { ruleOf } from "./rules.ts";
import { spectralNorm } from "./spectral-norm.ts";

interface Numbers {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

interface Case {
  readonly layer: "linear" | "conv2d" | "convTranspose2d" | "embedding";
  readonly arguments: readonly unknown[];
  readonly input: Numbers;
  readonly target: Numbers;
  readonly weight: Numbers;
  readonly u: Numbers;
  readonly v: Numbers;
  readonly records: readonly {
    readonly step: number;
    readonly sigma: number;
    readonly loss: number;
    readonly weight: Numbers;
    readonly gradient: Numbers;
  }[];
}

/** test/oracles/torch_spectral_norm.py */
const path = new URL("../../../test/fixtures/train/spectral-norm.json", import.meta.url);
const fixture = JSON.parse(readFileSync(path, "utf8")) as { steps: number; rate: number; cases: Case[] };

const layers = { linear, conv2d, convTranspose2d, embedding } as unknown as Record<
  Case["layer"],
  (...given: unknown[]) => Module
>;

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

function moduleOf(given: Case): Module {
  const [options] = given.arguments.filter((a) => typeof a === "object" && !Array.isArray(a));
  const positional = given.arguments.filter((a) => a !== options);
  return layers[given.layer](...positional, {
    ...(options ?? {}),
    control: spectralNorm({ norm: "reshaped" }),
  });
}

function inputOf({ layer, input }: Case): Tensor {
  if (layer !== "embedding") return tensor(input.data, input.shape);
  return np.array(Int32Array.from(input.data), { shape: [...input.shape] });
}

const arrayOf = ({ data, shape }: Numbers) => tensor(data, shape);

/** Relative to the largest number there. */
function expectClose(got: Tensor, { data, shape }: Numbers): void {
  expect(got.shape).toEqual(shape);
  const found = numbers(got);
  const scale = Math.max(...data.map(Math.abs));
  const worst = found.reduce((most, value, i) => Math.max(most, Math.abs(value - data[i])), 0);
  expect(worst / scale).toBeLessThan(1e-5);
}

function step(net: Module, params: LayerTree, state: LayerTree, given: Case) {
  return differentiate((own: LayerTree) => {
    const applied = net.apply(own, state, inputOf(given), { training: true });
    tree.dispose(applied.state);
    const loss = np.mean(np.square(applied.y.sub(arrayOf(given.target))));
    return { loss, aux: {} };
  }, params);
}

function effective({ slot }: WeightUse, weight: Tensor, state: LayerTree): { used: Tensor; sigma: number } {
  const own = layerTree(state.weight);
  const { weight: raw, scale } = ruleOf(slot.control).effective(
    slot.control,
    { operator: slot.operator, weight },
    own,
  );
  return { sigma: 1 / numbers(scale!.ref)[0], used: raw.mul(scale!) };
}

describe("PyTorch's spectral_norm, from the same weight and vectors", () => {
  it.each(fixture.cases.map((given) => [given.layer, given] as const))(
    "%s: σ, W/σ, loss and gradient agree over 50 steps",
    (_, given) => {
      const net = moduleOf(given);
      const [use] = net.weights(given.input.shape.slice(1));
      let params: LayerTree = { weight: arrayOf(given.weight) };
      let state: LayerTree = {
        weight: { u: arrayOf(given.u).reshape([1, -1]), v: arrayOf(given.v).reshape([1, -1]) },
      };
      const records = new Map(given.records.map((record) => [record.step, record]));
      for (let i = 0; i < fixture.steps; i++) {
        const next = net.advance(params, state) as LayerTree;
        tree.dispose(state as never);
        state = next;
        const { loss, gradient } = step(net, params, state, given);
        const record = records.get(i);
        if (record) {
          const { used, sigma } = effective(use, arrayIn(params, "weight"), state);
          expect(Math.abs(sigma / record.sigma - 1)).toBeLessThan(1e-5);
          expect(Math.abs(numbers(loss.ref)[0] / record.loss - 1)).toBeLessThan(1e-5);
          expectClose(used, record.weight);
          expectClose(arrayIn(gradient, "weight").ref, record.gradient);
        }
        loss.dispose();
        const moved = arrayIn(params, "weight").sub(arrayIn(gradient, "weight").mul(fixture.rate));
        params = { weight: moved };
      }
      expect(
        distance(numbers(arrayIn(params, "weight")), Float64Array.from(given.weight.data)),
      ).toBeGreaterThan(0.01);
      tree.dispose(state as never);
    },
  );
});
