import { defaultDevice, init, makeJaxpr, numpy as np, random, tree } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import { spectralNorm } from "../controls/spectral-norm.ts";
import type { Module } from "../module.ts";
import { expectNothingKept } from "../testing/ownership.ts";
import type { LayerTree, Tensor } from "../types.ts";
import { elman } from "./elman.ts";
import { gru } from "./gru.ts";
import { lstm } from "./lstm.ts";
import { joinSteps, splitSteps } from "./steps.ts";

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

const numbers = (array: Tensor) => [...array.dataSync()];

describe("steps", () => {
  it.each([1, 2, 7, 8, 9, 49, 50, 61])("%d of them come apart and together again", (steps) => {
    const x = np.arange(steps * 3).reshape([steps, 3]);
    const expected = numbers(x.ref);
    const parts = splitSteps(x);
    expect(parts.map((part) => part.shape)).toEqual(Array.from({ length: steps }, () => [3]));
    expect(numbers(parts[steps - 1].ref)).toEqual(expected.slice(-3));
    const joined = joinSteps(parts);
    expect(joined.shape).toEqual([steps, 3]);
    expect(numbers(joined)).toEqual(expected);
  });
});

const LAYERS = { elman, gru, lstm };

describe.each(Object.entries(LAYERS))("%s with controls", (_, make) => {
  const cap = 0.7;
  const controlled = make(5, { control: spectralNorm({ cap }), inputControl: spectralNorm() });
  const free = make(5);
  const start = () => controlled.init(random.key(3), [6, 4]);
  const batch = () => random.normal(random.key(9), [2, 6, 4]);

  it("uses W·cap/σ of both kernels, σ = ⟨u, W v⟩", () => {
    const { params, state } = start();
    const [own, held] = [params as LayerTree, state as LayerTree];
    const scaled = (name: string, norm: number) => {
      const kernel = own[name] as Tensor;
      const { u, v } = held[name] as LayerTree as Record<string, Tensor>;
      const [left, entries, right] = [u, kernel, v].map((array) => [...array.ref.dataSync()]);
      const image = left.map((_, i) =>
        right.reduce((sum, r, j) => sum + r * entries[i * right.length + j], 0),
      );
      const sigma = left.reduce((sum, l, i) => sum + l * image[i], 0);
      return kernel.ref.mul(norm / sigma);
    };
    const plain = tree.ref({ ...own, input: scaled("input", 1), recurrent: scaled("recurrent", cap) });
    const expected = free.apply(plain, { input: {}, recurrent: {} }, batch()).y;
    const got = controlled.apply(own, state, batch()).y;
    const differences = numbers(np.absolute(got.sub(expected)));
    expect(Math.max(...differences)).toBeLessThan(2e-6);
  });

  it("normalises once for a sequence, however long", () => {
    const products = (module: Module, steps: number) => {
      const { params, state } = module.init(random.key(1), [steps, 4]);
      const traced = makeJaxpr((x: Tensor) => module.apply(params, state, x).y)(np.zeros([2, steps, 4]));
      const { eqns } = traced.jaxpr.jaxpr.flatten();
      return eqns.filter(({ primitive }) => String(primitive) === "dot").length;
    };
    // Two products for σ of each kernel, one for all inputs, one for each state; nothing of the control grows with T.
    const overhead = products(controlled, 3) - products(free, 3);
    expect(products(controlled, 12) - products(free, 12)).toBe(overhead);
    expect(products(free, 12)).toBe(12 + 1);
  });

  it("keeps nothing of what it is lent", () => {
    const { params, state } = start();
    const call = () => {
      const { y, state: next } = controlled.apply(params, state, batch());
      return [y, next, controlled.advance(params, state)];
    };
    tree.dispose(call());
    expectNothingKept([params, state], call);
  });

  it("says which weights it holds", () => {
    const uses = controlled.weights([6, 4]).map(({ slot, inputShape }) => [slot.name, inputShape]);
    expect(uses).toEqual([
      ["input", [4]],
      ["recurrent", [5]],
    ]);
  });
});
