import { defaultDevice, init, numpy as np } from "@jax-js/jax";
import { beforeAll, describe, expect, test } from "vitest";
import { RandomStream } from "../../linalg/random.ts";
import type { DataArray } from "../../train.ts";
import { addingTask, copyTask, digitRows, rowsTask, type SequenceTask } from "./tasks.ts";

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

function array({ data, shape }: DataArray) {
  return np.array(data as Float32Array<ArrayBuffer>, { shape: [...shape] });
}

function lossOf(task: SequenceTask, outputs: DataArray, y: DataArray): number {
  return Number(task.loss(array(outputs), array(y)).item());
}

describe("copy memory", () => {
  const task = copyTask(5);
  const { x, y } = task.draw(new RandomStream(1n), 3);

  test("shows ten symbols, blanks, the sign to go, and asks for the symbols at the end", () => {
    expect(x.shape).toEqual([3, 25, 9]);
    expect(y.shape).toEqual([3, 25]);
    for (let b = 0; b < 3; b++) {
      const shown = Array.from({ length: 25 }, (_, t) => [
        ...x.data.subarray((b * 25 + t) * 9, (b * 25 + t + 1) * 9),
      ]);
      const sums = shown.map((row) => row.reduce((sum, value) => sum + value, 0));
      expect(sums).toEqual([...Array(10).fill(1), 0, 0, 0, 0, 1, ...Array(10).fill(0)]);
      const symbols = shown.map((row) => row.indexOf(1));
      const asked = [...y.data.subarray(b * 25, (b + 1) * 25)];
      expect(symbols.slice(0, 10).every((symbol) => symbol < 8)).toBe(true);
      expect(symbols[14]).toBe(8);
      expect(asked).toEqual([...Array(15).fill(8), ...symbols.slice(0, 10)]);
    }
  });

  test("draws the same for the same seed, other symbols for another", () => {
    expect(task.draw(new RandomStream(1n), 3).x.data).toEqual(x.data);
    expect(task.draw(new RandomStream(2n), 3).x.data).not.toEqual(x.data);
  });

  test("a network that knows the format and nothing else has the memoryless loss, the published .1733 and .0945", () => {
    const data = new Float32Array(3 * 25 * 9).fill(-100);
    for (let row = 0; row < 75; row++) {
      if (row % 25 < 15) data[row * 9 + 8] = 100;
      else data.fill(0, row * 9, row * 9 + 8);
    }
    expect(lossOf(task, { data, shape: [3, 25, 9] }, y)).toBeCloseTo(task.memoryless, 6);
    expect(copyTask(100).memoryless).toBeCloseTo(0.1733, 4);
    expect(copyTask(200).memoryless).toBeCloseTo(0.0945, 4);
  });

  test("the prior is how often each answer occurs", () => {
    const shares = task.prior.map(Math.exp);
    expect(shares[8]).toBeCloseTo(15 / 25, 12);
    expect(shares[0]).toBeCloseTo(10 / 25 / 8, 12);
    expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
  });

  test("only the last ten answers count", () => {
    const answers = (t: number, label: number) => (t < 15 ? 0 : t === 20 ? (label + 1) % 8 : label);
    const data = new Float32Array(3 * 25 * 9);
    for (let row = 0; row < 75; row++) data[row * 9 + answers(row % 25, y.data[row])] = 1;
    expect(task.accuracy({ data, shape: [3, 25, 9] }, y)).toBeCloseTo(0.9, 12);
    expect([...task.lastAnswers(y).data]).toEqual([24, 49, 74].map((row) => y.data[row]));
  });
});

describe("the adding problem", () => {
  const task = addingTask(7);

  test("marks one number of each half and asks for their sum", () => {
    const { x, y } = task.draw(new RandomStream(3n), 50);
    for (let b = 0; b < 50; b++) {
      const rows = Array.from({ length: 7 }, (_, t) => [
        ...x.data.subarray((b * 7 + t) * 2, (b * 7 + t + 1) * 2),
      ]);
      const marked = rows.flatMap(([value, mark], t) => (mark === 1 ? [{ value, t }] : []));
      expect(marked).toHaveLength(2);
      expect(marked[0].t).toBeLessThan(3);
      expect(marked[1].t).toBeGreaterThanOrEqual(3);
      expect(y.data[b]).toBeCloseTo(marked[0].value + marked[1].value, 6);
    }
  });

  test("always saying 1 has the memoryless loss 1/6, and is right as often as two uniform numbers come near 1", () => {
    const count = 20_000;
    const { y } = task.draw(new RandomStream(4n), count);
    const ones = { data: new Float32Array(count).fill(1), shape: [count, 1] };
    expect(Math.abs(lossOf(task, ones, y) - task.memoryless)).toBeLessThan(0.005);
    // The sum has a triangular density: P(|sum − 1| < 0.1) = 0.19.
    expect(Math.abs(task.accuracy(ones, y) - 0.19)).toBeLessThan(0.01);
    expect(task.accuracy(y, y)).toBe(1);
  });
});

describe("digits by rows", () => {
  const x = Float32Array.from({ length: 2 * 784 }, (_, i) => i);
  const digits = { count: 2, x, y: Int32Array.of(7, 3) };

  test("a step is a row of pixels", () => {
    const batch = digitRows(digits, [1, 0]);
    expect(batch.x.shape).toEqual([2, 28, 28]);
    expect(batch.x.data.subarray(28, 56)).toEqual(x.subarray(784 + 28, 784 + 56));
    expect([...batch.y.data]).toEqual([3, 7]);
  });

  test("draws digits with their labels, and the loss of a guess is ln 10", () => {
    const task = rowsTask(digits);
    const drawn = task.draw(new RandomStream(5n), 8);
    for (const [b, label] of drawn.y.data.entries())
      expect(drawn.x.data[b * 784]).toBe(label === 7 ? 0 : 784);
    expect(lossOf(task, { data: new Float32Array(80), shape: [8, 10] }, drawn.y)).toBeCloseTo(
      task.memoryless,
      5,
    );
  });
});
