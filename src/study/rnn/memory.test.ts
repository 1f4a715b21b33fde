import { defaultDevice, init, numpy as np, random, tree } from "@jax-js/jax";
import { beforeAll, describe, expect, test } from "vitest";
import { liveArrays } from "../../compile.ts";
import { RandomStream } from "../../linalg/random.ts";
import { singularValueDecomposition } from "../../linalg/svd.ts";
import type { LayerTree, Tensor, Tree } from "../../train/types.ts";
import { elman, gru, linear, relu, sequential, spectralNorm } from "../../train.ts";
import { lipschitzRnn } from "./lipschitz-rnn.ts";
import { memoryMeter, type StepKind } from "./memory.ts";
import { addingTask } from "./tasks.ts";

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

const HIDDEN = 3;
const STEPS = 5;
const task = addingTask(STEPS);
type Numbers = Record<string, number[][]>;

const affine = (w: number[][], x: number[], b: number[][]) =>
  w.map((row, i) => row.reduce((sum, value, j) => sum + value * x[j], b[0][i]));
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** One step of each kind in float64, written from its definition. */
const REFERENCE: Record<StepKind, (w: Numbers, h: number[], x: number[]) => number[]> = {
  tanh(w, h, x) {
    const [a, s] = [affine(w.input, x, w.inputBias), affine(w.recurrent, h, w.recurrentBias)];
    return a.map((value, i) => Math.tanh(value + s[i]));
  },
  gru(w, h, x) {
    const [a, s] = [affine(w.input, x, w.inputBias), affine(w.recurrent, h, w.recurrentBias)];
    return h.map((before, i) => {
      const reset = sigmoid(a[i] + s[i]);
      const update = sigmoid(a[HIDDEN + i] + s[HIDDEN + i]);
      const candidate = Math.tanh(a[2 * HIDDEN + i] + reset * s[2 * HIDDEN + i]);
      return (1 - update) * candidate + update * before;
    });
  },
  lipschitz(w, h, x) {
    const balanced = (m: number[][]) =>
      m.map((row, i) =>
        row.map((value, j) => 0.75 * (value - m[j][i]) + 0.25 * (value + m[j][i]) - (i === j ? 0.001 : 0)),
      );
    const none = [h.map(() => 0)];
    const [kept, turned] = [affine(balanced(w.keep), h, none), affine(balanced(w.turn), h, none)];
    return affine(w.input, x, w.inputBias).map((a, i) => h[i] + 0.03 * (kept[i] + Math.tanh(turned[i] + a)));
  },
};

const LAYERS = {
  tanh: elman(HIDDEN, { returns: "last" }),
  gru: gru(HIDDEN, { returns: "last" }),
  lipschitz: lipschitzRnn(HIDDEN, "last"),
};

async function numbers(layer: Tree): Promise<Numbers> {
  const entries = Object.entries(layer as LayerTree).map(async ([name, array]) => {
    const { shape } = array as Tensor;
    const data = [...(await (array as Tensor).ref.data())];
    const width = shape.at(-1)!;
    return [
      name,
      Array.from({ length: data.length / width }, (_, i) => data.slice(i * width, (i + 1) * width)),
    ];
  });
  return Object.fromEntries(await Promise.all(entries));
}

describe.each(Object.keys(LAYERS) as StepKind[])("%s", (kind) => {
  test("gradients by lag are those of the network, by finite differences in float64", async () => {
    const net = sequential(LAYERS[kind], linear(1));
    const { params, state } = net.init(random.key(7), task.inputShape);
    const batch = task.draw(new RandomStream(8n), 2);
    const before = liveArrays();
    const meter = memoryMeter(kind, net, task);
    const { gradients } = await meter.measure(params, state, batch);
    meter.dispose();
    expect(liveArrays()).toBe(before);

    const [w, readout] = [await numbers((params as Tree[])[0]), await numbers((params as Tree[])[1])];
    const inputs = (b: number) =>
      Array.from({ length: STEPS }, (_, t) => [
        ...batch.x.data.subarray((b * STEPS + t) * 2, (b * STEPS + t + 1) * 2),
      ]);
    const from = (h: number[], b: number, t: number) =>
      inputs(b)
        .slice(t)
        .reduce((state, x) => REFERENCE[kind](w, state, x), h);
    const loss = (h: number[], b: number) =>
      (affine(readout.weight, h, readout.bias)[0] - batch.y.data[b]) ** 2;
    for (let lag = 0; lag < STEPS; lag++) {
      const lengths = [0, 1].map((b) => {
        const t = STEPS - lag;
        const h = inputs(b)
          .slice(0, t)
          .reduce((state, x) => REFERENCE[kind](w, state, x), Array(HIDDEN).fill(0));
        const slopes = h.map((_: number, i: number) => {
          const moved = (by: number) =>
            loss(
              from(
                h.map((value: number, j: number) => value + (i === j ? by : 0)),
                b,
                t,
              ),
              b,
            );
          return (moved(1e-5) - moved(-1e-5)) / 2e-5;
        });
        return Math.hypot(...slopes);
      });
      const expected = (lengths[0] + lengths[1]) / 2;
      expect(Math.abs(gradients[lag] / expected - 1)).toBeLessThan(1e-4);
    }

    // The same last state as the network's own: its output for the same batch.
    const applied = net.apply(
      params,
      state,
      np.array(batch.x.data as Float32Array<ArrayBuffer>, { shape: [2, STEPS, 2] }),
    );
    Array.from(await applied.y.data()).forEach((value, b) => {
      const h = from(Array(HIDDEN).fill(0), b, 0);
      expect(value).toBeCloseTo(affine(readout.weight, h, readout.bias)[0], 5);
    });
    tree.dispose([params, state, applied.state] as never);
  });
});

test("gradients too short for float32 keep their lengths", async () => {
  // Without inputs and biases h stays 0, where tanh has slope 1: a gradient shrinks by exactly R = 1e-9·I at every step.
  const net = sequential(elman(2, { returns: "last" }), linear(1));
  const zeros = (...shape: number[]) => np.zeros(shape);
  const layer = {
    input: zeros(2, 2),
    recurrent: np.eye(2).mul(1e-9),
    inputBias: zeros(2),
    recurrentBias: zeros(2),
  };
  const params = [layer, { weight: np.array([[3, 4]]), bias: zeros(1) }];
  const state: Tree = [{ input: {}, recurrent: {} }, { weight: {} }];
  const ones = { data: Float32Array.of(1), shape: [1, 1] };
  const meter = memoryMeter("tanh", net, addingTask(9));
  const shape = [1, 9, 2];
  const { gradients, stepNorm, smallest } = await meter.measure(params, state, {
    x: { data: new Float32Array(18), shape },
    y: ones,
  });
  meter.dispose();
  // ∂(0 − 1)²/∂h = −2·(3, 4), of length 10.
  for (const [lag, value] of gradients.entries()) expect(value / (10 * 1e-9 ** lag)).toBeCloseTo(1, 5);
  expect(stepNorm).toBeGreaterThanOrEqual(Math.fround(1e-9));
  expect(stepNorm! / 1e-9).toBeCloseTo(1, 4);
  expect(smallest! / 1e-9).toBeCloseTo(1, 4);
  tree.dispose(params as never);
});

test("the norm of a step is that of the kernel in use, and bounds every gradient", async () => {
  const net = sequential(elman(HIDDEN, { returns: "last", control: spectralNorm({ cap: 0.5 }) }), linear(1));
  const { params, state } = net.init(random.key(3), task.inputShape);
  const meter = memoryMeter("tanh", net, task);
  const { gradients, stepNorm, smallest } = await meter.measure(
    params,
    state,
    task.draw(new RandomStream(2n), 4),
  );
  meter.dispose();
  const stored = (await numbers((params as Tree[])[0])).recurrent;
  const { s: values } = singularValueDecomposition(Float64Array.from(stored.flat()), HIDDEN, HIDDEN);
  expect(stepNorm).toBeCloseTo(0.5, 3);
  expect(smallest).toBeCloseTo((0.5 * values[2]) / values[0], 3);
  for (const [lag, value] of gradients.entries()) {
    expect(value).toBeLessThanOrEqual(gradients[0] * stepNorm! ** lag * (1 + 1e-5));
  }
  tree.dispose([params, state] as never);
});

test("a layer before the recurrent one is part of every step", async () => {
  // Front weights I and no bias: ReLU leaves inputs that are not negative as they are.
  const plain = sequential(elman(HIDDEN, { returns: "last" }), linear(1));
  const fronted = sequential(linear(2), relu(), elman(HIDDEN, { returns: "last" }), linear(1));
  const { params, state } = plain.init(random.key(4), task.inputShape);
  const [layer, readout] = params as Tree[];
  const [layerState, readoutState] = state as Tree[];
  const front = { weight: np.eye(2), bias: np.zeros([2]) };
  const batch = task.draw(new RandomStream(6n), 3);
  const results: (readonly number[])[] = [];
  for (const [net, ownParams, ownState] of [
    [plain, params, state],
    [fronted, [front, {}, layer, readout], [{ weight: {} }, {}, layerState, readoutState]],
  ] as const) {
    const meter = memoryMeter("tanh", net, task);
    results.push((await meter.measure(ownParams as Tree, ownState as Tree, batch)).gradients);
    meter.dispose();
  }
  expect(results[1]).toEqual(results[0]);
  tree.dispose([params, state, front] as never);
});
