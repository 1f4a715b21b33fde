import { readFileSync } from "node:fs";
import { defaultDevice, init, jit, numpy as np, tree } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import { integers } from "../../../test/oracles/generator.ts";
import { compile } from "../../compile/compile.ts";
import { toNative } from "../../compile/to-native.ts";
import { TrainError } from "../errors.ts";
import type { Schedule } from "../schedules/schedule.ts";
import { constant, cosine, exponentialDecay, stepDecay, warmup } from "../schedules/schedules.ts";
import { expectNothingKept } from "../testing/ownership.ts";
import type { Tensor, Tree } from "../types.ts";
import { adam, adamW } from "./adam.ts";
import { clipGlobalNorm, globalNorm } from "./global-norm.ts";
import type { Optimizer } from "./optimizer.ts";
import { rmsProp } from "./rms-prop.ts";
import { sgd } from "./sgd.ts";

/** What torch reached, by test/oracles/torch_optimizers.py. */
const peer = JSON.parse(
  readFileSync(new URL("../../../test/fixtures/train/optimizers.json", import.meta.url), "utf8"),
) as {
  readonly shapes: Readonly<Record<string, number[]>>;
  readonly steps: number;
  readonly curvature: number;
  readonly parameters: Readonly<Record<string, Readonly<Record<string, number[][]>>>>;
  readonly rates: Readonly<Record<string, number[]>>;
};

const rate = { learningRate: 0.01 };
const heavy = { learningRate: 0.05, momentum: 0.9 };
const optimizers: Readonly<Record<string, Optimizer>> = {
  sgd: sgd({ learningRate: 0.05 }),
  "sgd momentum": sgd(heavy),
  "sgd momentum weightDecay": sgd({ ...heavy, weightDecay: 0.1 }),
  "sgd nesterov weightDecay": sgd({ ...heavy, nesterov: true, weightDecay: 0.1 }),
  rmsProp: rmsProp(rate),
  "rmsProp decay epsilon": rmsProp({ ...rate, decay: 0.9, epsilon: 1e-3 }),
  adam: adam(rate),
  "adam betas epsilon": adam({ ...rate, beta1: 0.5, beta2: 0.9, epsilon: 1e-3 }),
  "adam beta1 0": adam({ ...rate, beta1: 0, beta2: 0.9 }),
  adamW: adamW({ ...rate, weightDecay: 0.1 }),
  "clipped to 2": sgd(heavy),
};

const shapes = Object.values(peer.shapes);
const draw = (seed: number, shape: readonly number[]) => {
  const count = shape.reduce((product, n) => product * n, 1);
  const data = Float32Array.from(integers(seed, count, 127), (n) => n / 64);
  return np.array(data, { shape: [...shape] });
};
/** Like a network's: a list of layers, each an object. */
const treeOf = ([weight, bias]: readonly Tensor[]): Tree => [{ weight, bias }, {}];
const start = () => treeOf(shapes.map((shape, i) => draw(i + 1, shape)));
const noise = (step: number) => treeOf(shapes.map((shape, i) => draw(100 + 10 * step + i, shape)));
const leaves = (given: Tree) => tree.leaves(given as never) as unknown as Tensor[];

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

describe("50 steps equal torch's to 1e-6", () => {
  it("for every recorded case", () => {
    expect(Object.keys(optimizers).toSorted()).toEqual(Object.keys(peer.parameters).toSorted());
  });

  it.each(Object.keys(optimizers))("%s", (name) => {
    const optimizer = optimizers[name];
    const step = jit((params: Tree, state: Tree, disturbance: Tree) => {
      const gradient = tree.map(
        (p: Tensor, n: Tensor) => p.ref.mul(peer.curvature).add(n),
        params as never,
        disturbance as never,
      ) as Tree;
      const used = name === "clipped to 2" ? clipGlobalNorm(gradient, 2) : gradient;
      const next = optimizer.update(used, state, params);
      tree.dispose([params, state] as never);
      return next as never;
    });
    let params = start();
    let state = optimizer.init(params);
    for (let k = 0; k < peer.steps; k++) {
      ({ params, state } = step(params as never, state as never, noise(k) as never) as never);
      const expected = peer.parameters[name][k + 1];
      if (!expected) continue;
      leaves(params).forEach((param, i) => {
        const scale = Math.max(...expected[i].map(Math.abs));
        [...param.ref.dataSync()].forEach((entry: number, j) => {
          expect(Math.abs(entry - expected[i][j]) / scale, `step ${k + 1}`).toBeLessThan(1e-6);
        });
      });
    }
    expect(Number((state as { step: Tensor }).step.ref.dataSync()[0])).toBe(peer.steps);
    tree.dispose([params, state] as never);
  });
});

describe("schedules", () => {
  const initial = 0.3;
  const schedules: Record<string, Schedule> = {
    cosine: cosine({ initial, steps: peer.steps, final: 0.01 }),
    stepDecay: stepDecay({ initial, every: 7, factor: 0.4 }),
    exponentialDecay: exponentialDecay({ initial, every: 1, factor: 0.9 }),
    warmup: warmup({ steps: 10, rate: initial }),
  };
  const at = (schedule: Schedule, step: number) =>
    Number(schedule(np.array(step, { dtype: np.float32 })).dataSync()[0]);

  it.each(Object.keys(schedules))("%s has torch's rates", (name) => {
    peer.rates[name].forEach((expected, step) => {
      expect(Math.abs(at(schedules[name], step) - expected) / expected, `step ${step}`).toBeLessThan(2e-6);
    });
  });

  it("stay where they end", () => {
    expect(at(schedules.cosine, 10_000)).toBeCloseTo(0.01, 6);
    expect(at(schedules.warmup, 10_000)).toBeCloseTo(initial, 6);
    expect(at(constant(0.25), 10_000)).toBe(0.25);
  });

  it("a warm-up begins the schedule after it at that schedule's own start", () => {
    const joined = warmup({ steps: 5, rate: stepDecay({ initial, every: 10, factor: 0.5 }) });
    expect([0, 4, 5, 14, 15].map((step) => at(joined, step))).toEqual(
      [0.06, 0.3, 0.3, 0.3, 0.15].map((expected) => expect.closeTo(expected, 6)),
    );
  });

  it("step decay falls exactly at its multiples, whatever the length", () => {
    for (const every of [3, 7, 49, 1000]) {
      const schedule = stepDecay({ initial: 1, every, factor: 0.5 });
      for (const multiple of [1, 2, 5]) {
        expect(at(schedule, multiple * every - 1)).toBeCloseTo(0.5 ** (multiple - 1), 5);
        expect(at(schedule, multiple * every)).toBeCloseTo(0.5 ** multiple, 5);
      }
    }
  });

  it("drive an optimiser by its own count of steps", () => {
    const optimizer = sgd({ learningRate: stepDecay({ initial: 1, every: 2, factor: 0.5 }) });
    let params: Tree = { w: np.zeros([2]) };
    let state = optimizer.init(params);
    const seen = [];
    for (let k = 0; k < 5; k++) {
      ({ params, state } = optimizer.update({ w: np.ones([2]) }, state, params));
      seen.push(-Number((params as { w: Tensor }).w.ref.dataSync()[0]));
    }
    expect(seen).toEqual([1, 2, 2.5, 3, 3.25]);
  });
});

describe("norms", () => {
  it("is taken over every array, and clipping leaves short gradients as they are", () => {
    const gradient = () => ({ a: np.array([3, 0]), b: [np.array([[4]])] }) as unknown as Tree;
    expect(globalNorm(gradient()).item()).toBeCloseTo(5, 6);
    expect(globalNorm(clipGlobalNorm(gradient(), 2.5)).item()).toBeCloseTo(2.5, 5);
    expect(globalNorm(clipGlobalNorm(gradient(), 50)).item()).toBeCloseTo(5, 6);
  });

  it("a zero gradient stays zero", () => {
    const clipped = clipGlobalNorm({ a: np.zeros([3]) }, 1) as { a: Tensor };
    expect([...clipped.a.dataSync()]).toEqual([0, 0, 0]);
  });
});

describe("ownership and types", () => {
  it.each(Object.keys(optimizers))("%s lends state and params, consumes the gradient", (name) => {
    const params = start();
    const state = optimizers[name].init(params);
    const update = () => {
      const gradient = noise(0);
      const next = optimizers[name].update(gradient, state, params);
      expect(leaves(gradient).every((leaf) => leaf.refCount === 0)).toBe(true);
      return next as unknown as Tree;
    };
    expectNothingKept([params, state], update);
    expectNothingKept(params, () => optimizers[name].init(params));
  });

  it("clipGlobalNorm and globalNorm", () => {
    const gradient = start();
    expectNothingKept(gradient, () => globalNorm(gradient));
    expectNothingKept([], () => clipGlobalNorm(noise(0), 1));
  });

  it("float16 parameters keep their type, and their statistics are float32", async () => {
    const optimizer = adam({ learningRate: 0.01 });
    const compiled = compile(
      (weight: Tensor, gradient: Tensor) => {
        const params: Tree = { w: weight.astype(np.float16) };
        const state = optimizer.init(params);
        const next = optimizer.update({ w: gradient.astype(np.float16) }, state, params);
        tree.dispose([params, state] as never);
        return { next, w: (next.params as { w: Tensor }).w.ref.astype(np.float32) } as never;
      },
      { device: "native" },
    );
    const of = (...values: number[]) => toNative(Float32Array.from(values), [3]);
    const { next, w } = (await compiled(of(1, 0, -1), of(1e-4, 0, -2))) as unknown as {
      next: { params: { w: Tensor }; state: { squares: { w: Tensor } } };
      w: Tensor;
    };
    expect([next.params.w.dtype, next.state.squares.w.dtype]).toEqual(["float16", "float32"]);
    expect([...(await w.data())]).toEqual([0.99, 0, -0.99].map((x) => expect.closeTo(x, 3)));
    compiled.dispose();
  });
});

describe("arguments that do not fit", () => {
  it("refuses unknown options and numbers out of range", () => {
    expect(() => adam({ learningRate: 0.1, lr: 1 } as never)).toThrow(/no option "lr"/);
    expect(() => adam({ learningRate: -1 })).toThrow(TrainError);
    expect(() => adam({ learningRate: "0.1" } as never)).toThrow(/number or a schedule/);
    expect(() => adam({ ...rate, beta2: 1 })).toThrow(/beta2 must be at least 0 and below 1/);
    expect(() => adamW({ ...rate, weightDecay: -1 })).toThrow(TrainError);
    expect(() => sgd({ ...rate, momentum: 1 })).toThrow(/below 1/);
    expect(() => sgd({ ...rate, nesterov: true })).toThrow(/momentum/);
    expect(() => rmsProp({ ...rate, epsilon: 0 })).toThrow(TrainError);
    expect(() => clipGlobalNorm({ w: np.ones([1]) }, 0)).toThrow(TrainError);
    expect(() => stepDecay({ initial: 1, every: 2, factor: 1.5 })).toThrow(/at most 1/);
    expect(() => cosine({ initial: 1, steps: 0 })).toThrow(TrainError);
  });

  it("names the tree that has another structure", () => {
    const optimizer = adam(rate);
    const params = start();
    const state = optimizer.init(params);
    expect(() => optimizer.update([{ weight: np.ones([3, 4]) }, {}] as Tree, state, params)).toThrow(
      /The gradient is not of the structure of the parameters/,
    );
    expect(() => optimizer.update(noise(0), sgd(heavy).init(params), params)).toThrow(
      /not what this adam's init made/,
    );
  });
});
