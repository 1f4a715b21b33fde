import { grad, numpy as np } from "@jax-js/jax";
import { describe, it } from "vitest";
import { expectSame, Seeded } from "../testing/reference.ts";

const random = new Seeded(2);

describe("shapes", () => {
  it("reshape, transpose and their mixtures", async () => {
    await expectSame((x) => x.reshape([6, 4]).transpose().reshape([2, 12]), [random.sample([2, 3, 4])]);
    await expectSame((x) => x.transpose([2, 0, 1]).reshape([4, 6]).transpose(), [random.sample([2, 3, 4])]);
    await expectSame((x) => x.reshape([1, 24]).transpose().reshape([4, 1, 6]), [random.sample([2, 3, 4])]);
    await expectSame((x) => x.transpose([1, 0, 2]), [random.sample([2, 1, 3])]);
    await expectSame((x) => x.transpose(), [random.sample([3, 2], "bool")]);
    await expectSame((x) => x.reshape([]), [random.sample([1, 1])]);
  });

  it("views move past elementwise operations", async () => {
    await expectSame(
      (x, y) => np.exp(x.transpose()).add(y.transpose()).mul(2).reshape([6]),
      [random.sample([2, 3]), random.sample([2, 3])],
    );
    await expectSame(
      (x, b) =>
        x.ref
          .transpose([0, 2, 1])
          .add(b)
          .mul(x.transpose([0, 2, 1])),
      [random.sample([2, 3, 4]), random.sample([3])],
    );
    await expectSame(
      (x, y) => x.reshape([6]).add(y.reshape([6])),
      [random.sample([2, 3]), random.sample([3, 2])],
    );
  });

  it("broadcasts of rows, columns and scalars", async () => {
    await expectSame((x) => np.broadcastTo(x, [2, 4, 3]).reshape([8, 3]), [random.sample([3])]);
    await expectSame((x) => np.broadcastTo(x, [3, 4]).reshape([12]), [random.sample([3, 1])]);
    await expectSame((x) => np.broadcastTo(x, [3, 4]).transpose().add(1), [random.sample([3, 1])]);
    await expectSame((x) => np.broadcastTo(x, [2, 2]), [random.sample([])]);
    await expectSame((x) => np.broadcastTo(x, [4, 3]).slice([1, 3], [0, 2]), [random.sample([1, 3])]);
    await expectSame((x) => np.broadcastTo(x, [4, 3]).sum(0), [random.sample([3])]);
    await expectSame((x) => np.broadcastTo(x, [4, 3]).max([0, 1]), [random.sample([3])]);
    await expectSame((x) => np.broadcastTo(x, [4, 3]).prod(0), [random.sample([3])]);
    await expectSame((x) => np.broadcastTo(x, [4, 3]).sum(0), [random.sample([3], "bool")]);
  });

  it("slices, forwards and backwards", async () => {
    await expectSame((x) => x.slice([1, 3], [], 2), [random.sample([4, 2, 3])]);
    await expectSame((x) => np.flip(x, 0).slice([1, 4]), [random.sample([5, 2])]);
    await expectSame((x) => np.flip(np.flip(x), [1]), [random.sample([3, 4])]);
    await expectSame((x) => np.flip(x.transpose()).slice([0, 2]), [random.sample([3, 4])]);
    await expectSame((x) => np.split(x, [1, 4], 1), [random.sample([2, 6])]);
    await expectSame((x) => x.slice([2, 2]), [random.sample([4, 2])]);
    await expectSame((x) => [...x], [random.sample([4, 2])]);
  });

  it("padding and concatenation", async () => {
    await expectSame(
      (x) =>
        np.pad(x, [
          [1, 2],
          [0, 3],
        ]),
      [random.sample([2, 3])],
    );
    await expectSame((x) => np.pad(np.pad(x, 1), 2), [random.sample([2])]);
    await expectSame((x) => np.pad(x, 1), [random.sample([2, 2], "bool")]);
    await expectSame(
      (x) =>
        np.pad(x.transpose(), [
          [1, 0],
          [0, 2],
        ]),
      [random.sample([2, 3])],
    );
    await expectSame(
      (x, y) => np.concatenate([x.ref, y, x], 1),
      [random.sample([2, 3]), random.sample([2, 1])],
    );
    await expectSame((x, y) => np.concatenate([x, y]), [random.sample([2], "int32"), random.sample([2])]);
    await expectSame((x, y) => np.stack([x, y], 1), [random.sample([3]), random.sample([3])]);
    await expectSame((x) => np.concatenate(np.split(x, 3, 0)), [random.sample([6, 2])]);
    await expectSame(
      (x, y) => np.concatenate([x, y]).slice([1, 3]),
      [random.sample([3]), random.sample([3])],
    );
    await expectSame(
      (x, y) => np.concatenate([x, y]).slice([2, 4]),
      [random.sample([3]), random.sample([3])],
    );
    await expectSame((x) => np.roll(x, [1, -2], [0, 1]), [random.sample([3, 5])]);
    await expectSame((x) => np.tile(x, [2, 3]), [random.sample([2, 2])]);
    await expectSame((x) => np.diagonal(x), [random.sample([3, 4])]);
  });

  it("arrays without elements", async () => {
    await expectSame((x) => [x.ref.sum(0), x.ref.transpose(), x.reshape([3, 0])], [random.sample([0, 3])]);
    await expectSame((x, y) => np.concatenate([x, y]), [random.sample([0, 3]), random.sample([2, 3])]);
    await expectSame((x, y) => np.matmul(x, y), [random.sample([2, 0]), random.sample([0, 3])]);
  });

  it("gradients of all of these", async () => {
    const f = (x: np.Array) =>
      np.concatenate(
        [np.pad(x.ref.transpose(), 1), np.flip(np.broadcastTo(x.reshape([1, 6]), [4, 6])).slice([], [0, 5])],
        1,
      );
    await expectSame(
      grad((x) => np.square(f(x)).sum()),
      [random.sample([3, 2])],
    );
  });
});

describe("results", () => {
  it("that are arguments, constants, or the same twice", async () => {
    await expectSame(
      (x, y) => [x.ref, y, x, 3, true, np.array([1, 2])],
      [random.sample([2]), random.sample([3])],
    );
    await expectSame((x) => ({ a: x.ref.add(1), b: [x.add(1)] }), [random.sample([2])]);
  });
});
