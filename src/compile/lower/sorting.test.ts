import { grad, lax, numpy as np } from "@jax-js/jax";
import { describe, it } from "vitest";
import { expectSame, Seeded, sampleOf } from "../testing/reference.ts";

const random = new Seeded(8);

describe("sorting", () => {
  it("along any axis", async () => {
    for (const axis of [0, 1, -1]) await expectSame((x) => np.sort(x, axis), [random.sample([4, 3, 5])]);
    await expectSame((x) => [np.sort(x.ref), np.argsort(x)], [random.sample([2, 9], "int32")]);
    await expectSame((x) => [np.sort(x.ref), np.argsort(x)], [random.sample([2, 9], "uint32")]);
    await expectSame((x) => np.argsort(x, 0), [random.sample([4, 3])]);
  });

  it("ties keep their order, NaN goes last", async () => {
    const x = sampleOf([
      1,
      0,
      1,
      Number.NaN,
      0,
      1,
      Number.POSITIVE_INFINITY,
      Number.NaN,
      -1,
      Number.NEGATIVE_INFINITY,
      0,
    ]);
    await expectSame((a) => [np.sort(a.ref), np.argsort(a)], [x]);
    await expectSame((a) => np.argsort(a), [sampleOf(Array.from({ length: 300 }, (_, i) => (i * 7) % 3))]);
    await expectSame((a) => lax.topK(a, 3), [random.between([2, 8], "int32", 0, 3)]);
  });

  it("its gradient", async () => {
    const weights = random.sample([2, 6]);
    await expectSame((x, w) => grad((y) => np.sort(y).mul(w).sum())(x), [random.sample([2, 6]), weights]);
    await expectSame((x, w) => grad((y) => np.sort(y, 0).mul(w).sum())(x), [random.sample([2, 6]), weights]);
    await expectSame(
      (x, w) => grad((y) => np.square(grad((z) => np.square(np.sort(z)).mul(w).sum())(y)).sum())(x),
      [random.sample([2, 6]), weights],
    );
  });
});
