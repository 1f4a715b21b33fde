import { grad, lax, numpy as np } from "@jax-js/jax";
import { describe, it } from "vitest";
import { expectSame, Seeded } from "../testing/reference.ts";

const random = new Seeded(6);

describe.each([
  [
    [2, 3, 6, 6],
    [2, 2],
    [2, 2],
  ],
  [
    [2, 3, 7, 5],
    [2, 2],
    [2, 2],
  ],
  [
    [2, 3, 7, 7],
    [3, 3],
    [2, 2],
  ],
  [
    [2, 3, 6, 6],
    [3, 2],
    [1, 2],
  ],
  [
    [2, 3, 7, 7],
    [2, 1],
    [3, 2],
  ],
  [[2, 2, 9], [4], [3]],
  [[8], [3], [2]],
  [[2, 7], [3], [1]],
])("windows of %j: %j every %j", (shape, window, strides) => {
  const x = random.sample(shape);
  const average = (a: np.Array) => lax.reduceWindow(a, (w) => np.mean(w), window, strides);
  const largest = (a: np.Array) => lax.reduceWindow(a, (w) => np.max(w), window, strides);

  it("average and maximum", async () => {
    await expectSame((a) => [average(a.ref), largest(a)], [x]);
  });

  it("their gradients, and the gradient of a gradient", async () => {
    const squared = (f: (a: np.Array) => np.Array) => (a: np.Array) => np.square(f(a)).sum();
    await expectSame((a) => [grad(squared(average))(a.ref), grad(squared(largest))(a)], [x]);
    await expectSame((a) => grad(squared(grad(squared(average))))(a), [x]);
  });
});
