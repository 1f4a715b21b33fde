import { grad, lax, numpy as np } from "@jax-js/jax";
import { describe, it } from "vitest";
import type { Shape } from "../graph.ts";
import { expectSame, Seeded } from "../testing/reference.ts";

const random = new Seeded(5);

interface Case {
  readonly x: Shape;
  readonly w: Shape;
  readonly strides?: number[];
  readonly padding?: [number, number][];
  readonly lhsDilation?: number[];
  readonly rhsDilation?: number[];
  readonly groups?: number;
}

const CASES: Record<string, Case> = {
  plain: { x: [2, 3, 5, 6], w: [4, 3, 3, 2] },
  "1-D": { x: [2, 3, 9], w: [4, 3, 3], strides: [2], padding: [[1, 2]] },
  "3-D": { x: [1, 2, 3, 4, 3], w: [2, 2, 2, 2, 2] },
  strided: {
    x: [2, 2, 8, 8],
    w: [3, 2, 4, 4],
    strides: [2, 2],
    padding: [
      [1, 1],
      [1, 1],
    ],
  },
  "odd sizes": {
    x: [2, 2, 7, 6],
    w: [3, 2, 3, 3],
    strides: [2, 3],
    padding: [
      [1, 0],
      [0, 2],
    ],
  },
  "negative padding": {
    x: [1, 2, 7, 7],
    w: [2, 2, 2, 2],
    padding: [
      [-1, 0],
      [1, -2],
    ],
  },
  dilated: { x: [1, 2, 8, 7], w: [2, 2, 3, 2], rhsDilation: [2, 3], strides: [1, 2] },
  transposed: {
    x: [2, 3, 3, 4],
    w: [2, 3, 4, 4],
    lhsDilation: [2, 2],
    padding: [
      [2, 2],
      [2, 2],
    ],
  },
  "transposed, odd": {
    x: [1, 2, 3, 3],
    w: [2, 2, 3, 2],
    lhsDilation: [2, 3],
    padding: [
      [1, 2],
      [0, 1],
    ],
  },
  "transposed, dilated kernel": {
    x: [1, 2, 4, 4],
    w: [2, 2, 2, 2],
    lhsDilation: [2, 2],
    rhsDilation: [2, 3],
    padding: [
      [1, 1],
      [2, 2],
    ],
  },
  "transposed and strided": {
    x: [1, 2, 4, 4],
    w: [2, 2, 3, 3],
    lhsDilation: [3, 2],
    strides: [2, 2],
    padding: [
      [2, 2],
      [1, 1],
    ],
  },
  "fewer taps than the dilation": {
    x: [1, 2, 3, 3],
    w: [2, 2, 1, 1],
    lhsDilation: [2, 2],
    padding: [
      [0, 1],
      [0, 0],
    ],
  },
  "1×1": { x: [2, 3, 4, 4], w: [5, 3, 1, 1] },
  "whole input": { x: [2, 3, 4, 4], w: [5, 3, 4, 4] },
  grouped: {
    x: [2, 4, 5, 5],
    w: [6, 2, 3, 3],
    groups: 2,
    padding: [
      [1, 1],
      [1, 1],
    ],
  },
  depthwise: { x: [2, 3, 6, 6], w: [3, 1, 3, 3], groups: 3, strides: [2, 2] },
  "grouped, transposed": {
    x: [2, 4, 3, 3],
    w: [4, 2, 4, 4],
    groups: 2,
    lhsDilation: [2, 2],
    padding: [
      [2, 2],
      [2, 2],
    ],
  },
};

function convolve(c: Case) {
  const spatial = c.x.length - 2;
  const strides = c.strides ?? Array<number>(spatial).fill(1);
  const padding = c.padding ?? Array.from({ length: spatial }, (): [number, number] => [0, 0]);
  return (x: np.Array, w: np.Array) =>
    lax.convGeneralDilated(x, w, strides, padding, {
      ...(c.lhsDilation ? { lhsDilation: c.lhsDilation } : {}),
      ...(c.rhsDilation ? { rhsDilation: c.rhsDilation } : {}),
      featureGroupCount: c.groups ?? 1,
    });
}

describe.each(Object.entries(CASES))("convolution: %s", (_, c) => {
  const conv = convolve(c);
  const samples = [random.sample(c.x), random.sample(c.w)];

  it("forward", async () => {
    await expectSame(conv, samples);
  });

  it("gradients", async () => {
    const loss = (x: np.Array, w: np.Array) => np.square(conv(x, w)).sum();
    await expectSame((x, w) => [grad(loss)(x.ref, w.ref), grad((v, y) => loss(y, v))(w, x)], samples);
  });

  it("gradients of the input's gradient", async () => {
    const inner = grad((x: np.Array, w: np.Array) => np.square(conv(x, w)).sum());
    const penalty = (x: np.Array, w: np.Array) => np.square(inner(x, w)).sum();
    await expectSame((x, w) => [grad(penalty)(x.ref, w.ref), grad((v, y) => penalty(y, v))(w, x)], samples);
  });
});

it("convolutions between channels-last activations move nothing", async () => {
  const net = (x: np.Array, w: np.Array, v: np.Array) => {
    const h = np.maximum(convolve({ x: [2, 3, 8, 8], w: [4, 3, 3, 3] })(x, w), 0);
    return convolve({ x: [2, 4, 6, 6], w: [5, 4, 3, 3] })(h, v);
  };
  await expectSame(net, [
    random.sample([2, 3, 8, 8]),
    random.sample([4, 3, 3, 3]),
    random.sample([5, 4, 3, 3]),
  ]);
});

it("in double precision", async () => {
  await expectSame(convolve(CASES.strided), [
    random.sample(CASES.strided.x, "float64"),
    random.sample(CASES.strided.w, "float64"),
  ]);
  await expectSame(convolve(CASES.grouped), [
    random.sample(CASES.grouped.x, "float64"),
    random.sample(CASES.grouped.w, "float64"),
  ]);
});
