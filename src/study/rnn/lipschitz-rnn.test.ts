import { defaultDevice, init, numpy as np, random, tree } from "@jax-js/jax";
import { beforeAll, expect, test } from "vitest";
import type { LayerTree, Tensor } from "../../train/types.ts";
import { lipschitzKernels, lipschitzRnn } from "./lipschitz-rnn.ts";

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

const matrix = (rows: number[][]) => np.array(rows);

test("two steps by hand", async () => {
  // A = M + (1 − 2β)Mᵀ − γI with β = 0.75: off the diagonal m − m'/2, on it m/2 − 0.001.
  const params: LayerTree = {
    keep: matrix([
      [0, 2],
      [0, 0],
    ]),
    turn: matrix([
      [1, 0],
      [0, -1],
    ]),
    input: matrix([[1], [0.5]]),
    inputBias: np.array([0, 0.25]),
  };
  const a = [
    [-0.001, 2],
    [-1, -0.001],
  ];
  const w = [
    [0.499, 0],
    [0, -0.501],
  ];
  const after = (h: number[], x: number) =>
    h.map((value, i) => {
      const ofInput = [x, 0.5 * x + 0.25][i];
      const turned = w[i][0] * h[0] + w[i][1] * h[1];
      return value + 0.03 * (a[i][0] * h[0] + a[i][1] * h[1] + Math.tanh(turned + ofInput));
    });
  const first = after([0, 0], 2);
  const second = after(first, -1);
  const x = () => np.array([[[2], [-1]]]);
  const all = lipschitzRnn(2, "sequence").apply(params, {}, x()).y;
  const last = lipschitzRnn(2, "last").apply(params, {}, x()).y;
  expect(all.shape).toEqual([1, 2, 2]);
  const got = [...(await all.data())];
  for (const [i, value] of [...first, ...second].entries()) expect(got[i]).toBeCloseTo(value, 6);
  const end = [...(await last.data())];
  for (const [i, value] of second.entries()) expect(end[i]).toBeCloseTo(value, 6);
  tree.dispose(params as never);
});

test("A and W are three quarters antisymmetric, one quarter symmetric, damped", async () => {
  const { params } = lipschitzRnn(4, "last").init(random.key(1), [3, 2]);
  const { keep, turn } = params as Record<string, Tensor>;
  const [m, used] = [await turn.ref.data(), lipschitzKernels(params as LayerTree)];
  const w = await used.turn.data();
  for (let i = 0; i < 4; i++) {
    for (let j = 0; j < 4; j++) {
      const [own, mirrored] = [m[4 * i + j], m[4 * j + i]];
      const expected = 0.75 * (own - mirrored) + 0.25 * (own + mirrored) - (i === j ? 0.001 : 0);
      expect(w[4 * i + j]).toBeCloseTo(expected, 6);
    }
  }
  expect(keep.shape).toEqual([4, 4]);
  used.keep.dispose();
  tree.dispose(params as never);
});
