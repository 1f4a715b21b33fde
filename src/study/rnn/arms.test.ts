import { defaultDevice, init, random, tree } from "@jax-js/jax";
import { beforeAll, expect, test } from "vitest";
import { singularValueDecomposition } from "../../linalg/svd.ts";
import type { LayerTree, Tensor, Tree } from "../../train/types.ts";
import { networkOf, RNN_ARMS, type RnnArm, type Starts } from "./arms.ts";
import { addingTask, copyTask, type SequenceTask } from "./tasks.ts";

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

function armOf(arm: string): RnnArm {
  return RNN_ARMS.find(({ name }) => name === arm)!;
}

/** An array of the recurrent layer, which is the last but one, at the start. */
async function startOf(
  name: string,
  arm: string,
  task: SequenceTask,
  { inputStart = 1, kernelStart = armOf(arm).kernelStarts?.[0] ?? "usual" }: Partial<Starts> = {},
) {
  const { net } = networkOf(armOf(arm), task, { inputStart, kernelStart });
  const { params, state } = net.init(random.key(3), task.inputShape);
  const array = ((params as Tree[]).at(-2) as LayerTree)[name] as Tensor;
  const found = { shape: array.shape, data: Float64Array.from(await array.ref.data()) };
  tree.dispose([params, state] as never);
  return found;
}

test("the band starts orthonormal, and its start alone is the same; plain and spectral networks start from what it was made of", async () => {
  const kernel = async (arm: string) => (await startOf("recurrent", arm, copyTask(3))).data;
  const free = await kernel("bandStart");
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

test("spectral networks may start like the band; where sums are asked for that is the identity", async () => {
  const isometry = { kernelStart: "isometry" } as const;
  const kernel = async (arm: string, task: SequenceTask) =>
    (await startOf("recurrent", arm, task, isometry)).data;
  expect(await kernel("spectral", copyTask(3))).toEqual(await kernel("band", copyTask(3)));
  const identity = Float64Array.from({ length: 128 * 128 }, (_, i) => Number(i % 129 === 0));
  for (const arm of ["spectral", "band", "bandStart"])
    expect(await kernel(arm, addingTask(4))).toEqual(identity);
});

test.each(RNN_ARMS.map(({ name }) => name))(
  "the input kernel of %s starts within start/√features",
  async (arm) => {
    for (const [task, features] of [
      [copyTask(3), 9],
      [addingTask(4), 128],
    ] as const) {
      for (const start of [0.05, 1]) {
        const { shape, data } = await startOf("input", arm, task, { inputStart: start });
        expect(shape[1]).toBe(features);
        const largest = data.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
        expect(largest).toBeLessThanOrEqual((start / Math.sqrt(features)) * (1 + 1e-6));
        expect(largest).toBeGreaterThan((0.97 * start) / Math.sqrt(features));
      }
    }
  },
);
