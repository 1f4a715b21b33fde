import { numpy as np } from "@jax-js/jax";
import { describe, it } from "vitest";
import { expectSame, Seeded, sampleOf } from "../testing/reference.ts";

const random = new Seeded(3);

describe("reductions", () => {
  it.each(["sum", "prod", "min", "max"] as const)("%s over any axes", async (name) => {
    for (const axes of [null, 0, -1, [0, 2], [1]])
      await expectSame((x) => x[name](axes), [random.sample([2, 3, 4])]);
    await expectSame((x) => x[name](1, { keepdims: true }), [random.sample([2, 3])]);
    await expectSame((x) => x[name]([]), [random.sample([2, 3])]);
    await expectSame((x) => x[name](), [random.sample([])]);
    await expectSame((x) => x.transpose([2, 0, 1])[name]([0, 1]), [random.sample([2, 3, 4])]);
    await expectSame((x) => x.reshape([3, 8])[name](1), [random.sample([2, 3, 4])]);
    await expectSame((x) => x[name](0)[name](1), [random.sample([2, 3, 4])]);
  });

  it.each(["sum", "prod", "min", "max"] as const)("%s of integers and truth values", async (name) => {
    for (const dtype of ["int32", "uint32", "bool"] as const) {
      await expectSame((x) => x[name](1), [random.between([2, 3], dtype, 0, dtype === "bool" ? 1 : 9)]);
    }
    await expectSame((x) => x[name](), [sampleOf([2 ** 31 - 1, 2 ** 30, 3], [3], "int32")]);
    await expectSame((x) => x[name](), [sampleOf([2 ** 32 - 1, 2 ** 31, 3], [3], "uint32")]);
  });

  it("NaN comes through an order wherever it is", async () => {
    const x = sampleOf([1, Number.NaN, 2, 3, 4, 5, Number.NaN, Number.NaN, Number.NaN], [3, 3]);
    await expectSame((a) => [a.ref.max(0), a.ref.max(1), a.ref.min(0), a.min(1)], [x]);
  });

  it("of nothing", async () => {
    await expectSame((x) => [x.ref.sum(0), x.ref.prod(0), x.ref.max(0), x.min(0)], [random.sample([0, 2])]);
  });

  it("mean, variance, argmax and cumulative sums", async () => {
    const x = random.sample([3, 4]);
    await expectSame((a) => [a.ref.mean(0), np.var_(a.ref, 1), np.argmax(a.ref, 1), np.argmin(a, 0)], [x]);
    await expectSame((a) => np.cumsum(a, 1), [x]);
    await expectSame((a) => [a.ref.all(0), a.any(1)], [random.sample([3, 4], "bool")]);
  });
});
