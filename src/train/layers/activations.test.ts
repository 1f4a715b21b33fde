import { defaultDevice, grad, init, numpy as np, vmap } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import { TrainError } from "../errors.ts";
import type { Module } from "../module.ts";
import { audited } from "../testing/audited.ts";
import type { Tensor } from "../types.ts";
import { abs, gelu, leakyRelu, sigmoid, silu, softplus, tanh } from "./activations.ts";
import { relu } from "./relu.ts";
import { fullSort, groupSort, maxMin } from "./sorting.ts";

/** Each with the constant its documentation promises. */
const ELEMENTWISE: readonly (readonly [string, Module, number])[] = [
  ["relu", relu(), 1],
  ["leakyRelu(0.1)", leakyRelu(0.1), 1],
  ["leakyRelu(-3)", leakyRelu(-3), 3],
  ["tanh", tanh(), 1],
  ["sigmoid", sigmoid(), 0.25],
  ["softplus", softplus(), 1],
  ["gelu", gelu(), 1.128905],
  ["silu", silu(), 1.09984],
  ["abs", abs(), 1],
];

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

const apply = (module: Module, x: Tensor) => module.apply({}, {}, x).y;

/** Derivatives of an elementwise module at every number. */
function slopes(module: Module, numbers: readonly number[]): number[] {
  const derivative = vmap(grad((x: Tensor) => np.sum(apply(module, x.reshape([1, 1])))));
  return [...(derivative(np.array(Float32Array.from(numbers))) as Tensor).dataSync()];
}

describe.each(ELEMENTWISE)("%s", (_, module, constant) => {
  const grid = Array.from({ length: 801 }, (_, i) => (i - 400) / 50);

  it("has no slope above its constant, and comes close to it", () => {
    const steepest = Math.max(...slopes(module, grid).map(Math.abs));
    expect(steepest).toBeLessThanOrEqual(constant * (1 + 1e-6));
    expect(steepest).toBeGreaterThan(constant * 0.999);
  });

  it("has finite values and slopes far out", () => {
    const far = [-1e30, -1e4, -500, -90, -80, 0, 80, 90, 500, 1e4];
    const values = [...apply(module, np.array(Float32Array.from(far)).reshape([1, far.length])).dataSync()];
    expect(values.every(Number.isFinite)).toBe(true);
    expect(slopes(module, far).every(Number.isFinite)).toBe(true);
  });

  it("is audited as steep as that", async () => {
    const upper = await audited(module, [4]);
    expect(upper).toBeGreaterThanOrEqual(Math.max(...slopes(module, grid).map(Math.abs)) * (1 - 1e-6));
    expect(upper).toBeLessThanOrEqual(constant * (1 + 1e-6));
  });
});

describe("sorting", () => {
  it.each([
    ["maxMin of a vector", maxMin(), [6]],
    ["maxMin of an image", maxMin(), [4, 2, 3]],
    ["maxMin of a sequence", maxMin({ axis: "last" }), [3, 4]],
    ["groupSort(3)", groupSort(3), [6]],
    ["groupSort(3) of an image", groupSort(3), [6, 1, 2]],
    ["fullSort", fullSort(), [5]],
  ] as const)("%s is audited as 1-Lipschitz", async (_, module, inputShape) => {
    expect(await audited(module, inputShape)).toBe(1);
  });

  it.each([
    ["maxMin", maxMin()],
    ["groupSort(2)", groupSort(2)],
    ["groupSort(4)", groupSort(4)],
    ["fullSort", fullSort()],
  ] as const)("%s of ties keeps the derivative a permutation", (_, module) => {
    const x = Float32Array.from([1, 1, 1, 2, 1, 1, 1, 2]);
    const rows = Array.from({ length: 8 }, (_, i) => {
      const entry = (v: Tensor) => apply(module, v.reshape([1, 8])).slice(0, i);
      return [...(grad(entry)(np.array(x)) as Tensor).dataSync()];
    });
    for (const line of [...rows, ...rows.map((_, i) => rows.map((row) => row[i]))]) {
      expect(line.toSorted()).toEqual([0, 0, 0, 0, 0, 0, 0, 1]);
    }
  });

  it("groupSort(2) and maxMin are one function", () => {
    const x = np.array(Float32Array.from([3, -1, 2, 5, 0, 2])).reshape([1, 6]);
    const sorted = [maxMin(), groupSort(2)].map((module) => [...apply(module, x.ref).dataSync()]);
    x.dispose();
    expect(sorted[0]).toEqual([5, 0, 2, 3, -1, 2]);
    expect(sorted[1]).toEqual(sorted[0]);
  });

  it.each([
    [() => maxMin().outputShape([5]), "groups of 2 channels"],
    [() => groupSort(3).outputShape([4, 2, 2]), "groups of 3 channels"],
    [() => maxMin({ axis: "last" }).outputShape([4, 3]), "entries of the last axis"],
    [() => maxMin().apply({}, {}, np.zeros([2, 3])), "got inputs of shape [3]"],
    [() => fullSort().outputShape([]), "got inputs of shape []"],
    [() => groupSort(0), "whole number of 1 or more"],
    [() => maxMin({ axis: 2 as never }), '"channels" or "last"'],
    [() => fullSort({ size: 2 } as never), 'no option "size"'],
    [() => leakyRelu(Number.NaN), "must be a finite number; got NaN"],
  ])("refuses what does not fit: %#", (make, message) => {
    expect(make).toThrow(TrainError);
    expect(make).toThrow(message);
  });
});
