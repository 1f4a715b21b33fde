import { defaultDevice, init, random, tree } from "@jax-js/jax";
import { beforeAll, expect, test } from "vitest";
import { singularValueDecomposition } from "../../linalg/svd.ts";
import type { LayerTree, Tensor, Tree } from "../../train/types.ts";
import { networkOf, RNN_ARMS } from "./arms.ts";
import { addingTask, copyTask, type SequenceTask } from "./tasks.ts";

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

/** An array of the recurrent layer, which is the last but one, at the start. */
async function startOf(name: string, arm: string, task: SequenceTask, inputStart: number) {
  const { net } = networkOf(RNN_ARMS.find((each) => each.name === arm)!, task, inputStart);
  const { params, state } = net.init(random.key(3), task.inputShape);
  const array = ((params as Tree[]).at(-2) as LayerTree)[name] as Tensor;
  const found = { shape: array.shape, data: Float64Array.from(await array.ref.data()) };
  tree.dispose([params, state] as never);
  return found;
}

test("an orthonormal start is the band's; plain and spectral networks start from what it was made of", async () => {
  const kernel = async (arm: string) => (await startOf("recurrent", arm, copyTask(3), 1)).data;
  const free = await kernel("orthonormalStart");
  expect(free).toEqual(await kernel("band"));
  for (const value of singularValueDecomposition(free, 128, 128).s)
    expect(Math.abs(value - 1)).toBeLessThan(2e-4);
  const plain = await kernel("plain");
  expect(plain).toEqual(await kernel("spectral"));
  // The nearest orthonormal matrix has the same singular vectors: its product with W is symmetric.
  const product = (i: number, j: number) => {
    let sum = 0;
    for (let k = 0; k < 128; k++) sum += plain[i * 128 + k] * free[j * 128 + k];
    return sum;
  };
  for (const [i, j] of [
    [0, 1],
    [5, 90],
    [127, 3],
  ]) {
    expect(product(i, j)).toBeCloseTo(product(j, i), 3);
  }
});

test.each(RNN_ARMS.map(({ name }) => name))(
  "the input kernel of %s starts within start/√features",
  async (arm) => {
    for (const [task, features] of [
      [copyTask(3), 9],
      [addingTask(4), 32],
    ] as const) {
      for (const start of [0.05, 1]) {
        const { shape, data } = await startOf("input", arm, task, start);
        expect(shape[1]).toBe(features);
        const largest = data.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
        expect(largest).toBeLessThanOrEqual((start / Math.sqrt(features)) * (1 + 1e-6));
        expect(largest).toBeGreaterThan((0.97 * start) / Math.sqrt(features));
      }
    }
  },
);
