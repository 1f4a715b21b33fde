import { grad, numpy as np } from "@jax-js/jax";
import { describe, it } from "vitest";
import { expectSame, Seeded, sampleOf } from "../testing/reference.ts";

const random = new Seeded(7);
const indices = (values: readonly number[], shape = [values.length]) => sampleOf(values, shape, "int32");

describe("gather and its gradient", () => {
  it("along one axis", async () => {
    const table = random.sample([5, 3]);
    const ids = indices([4, 0, 4, 2], [2, 2]);
    await expectSame((x, i) => [np.take(x.ref, i.ref, 0), x.slice(i)], [table, ids]);
    await expectSame((x, i) => np.take(x, i, 1), [table, indices([2, 2, 0])]);
    await expectSame((x, i) => x.slice([], i), [random.sample([2, 4, 3]), indices([3, 1])]);
    await expectSame((x, i) => grad((y) => np.square(y.slice(i)).sum())(x), [table, ids]);
    await expectSame(
      (x, i) => grad((y) => np.square(y.slice([], i)).sum())(x),
      [random.sample([2, 4, 3]), indices([3, 1, 3])],
    );
    await expectSame((x, i) => np.take(x, i, 0), [table, sampleOf([4, 1], [2], "uint32")]);
  });

  it("along several axes", async () => {
    const [i, j] = [indices([0, 1, 1, 2]), indices([1, 1, 1, 0])];
    await expectSame((x, a, b) => x.slice(a, b), [random.sample([3, 2, 4]), i, j]);
    await expectSame((x, a, b) => x.slice(a, [], b), [random.sample([3, 4, 2]), i, j]);
    await expectSame((x, a, b) => x.slice([], a, b), [random.sample([4, 3, 2]), i, j]);
    await expectSame(
      (x, a, b) => x.slice(a, b),
      [random.sample([3, 2]), indices([2, 0], [2, 1]), indices([1, 0, 1])],
    );
    await expectSame(
      (x, a, b) => grad((y) => np.square(y.slice(a, [], b)).sum())(x),
      [random.sample([3, 4, 2]), i, j],
    );
    await expectSame(
      (x, a, b) => grad((y) => np.square(y.slice([], a, b)).sum())(x),
      [random.sample([4, 3, 2]), i, j],
    );
  });

  it("along one axis, the others in step", async () => {
    const x = random.sample([3, 5]);
    const i = indices([4, 0, 0, 3, 1, 2], [3, 2]);
    await expectSame((a, k) => np.takeAlongAxis(a, k, 1), [x, i]);
    await expectSame((a, k) => np.takeAlongAxis(a, k, 0), [x, indices([2, 0, 1, 1, 2], [1, 5])]);
    await expectSame((a, k) => grad((y) => np.square(np.takeAlongAxis(y, k, 1)).sum())(a), [x, i]);
    await expectSame(
      (a, k) => grad((y) => np.square(y.slice(np.arange(3).astype(np.int32), k)).sum())(a),
      [x, indices([4, 4, 1])],
    );
  });

  it("of many equal indices, and of many rows", async () => {
    const ids = indices(Array.from({ length: 500 }, (_, k) => (k * 7) % 11));
    await expectSame(
      (x, i) => grad((y) => np.square(np.take(y, i, 0)).sum())(x),
      [random.sample([11, 16]), ids],
    );
    const wide = indices(Array.from({ length: 60 }, (_, k) => (k * 97) % 1500));
    await expectSame(
      (x, i) => grad((y) => np.square(np.take(y, i, 0)).sum())(x),
      [random.sample([1500, 3]), wide],
    );
  });

  it("one-hot rows and cross-entropy", async () => {
    const { nn } = await import("@jax-js/jax");
    await expectSame((i) => nn.oneHot(i, 4), [indices([3, 0, 1])]);
    const loss = (logits: np.Array, labels: np.Array) =>
      np.mean(nn.logSoftmax(logits).mul(nn.oneHot(labels, 4)).sum(-1)).neg();
    await expectSame(
      (x, i) => [loss(x.ref, i.ref), grad((y: np.Array) => loss(y, i))(x)],
      [random.sample([3, 4]), indices([3, 0, 1])],
    );
  });
});
