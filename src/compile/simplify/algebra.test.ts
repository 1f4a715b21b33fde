import { numpy as np } from "@jax-js/jax";
import { expect, it } from "vitest";
import { ArrayType } from "../array-type.ts";
import { expectSame, sampleOf } from "../testing/reference.ts";
import { operatorsOf } from "../testing/structure.ts";

it("a number times an inverse square is divided twice", async () => {
  const gradientOfInverse = (x: np.Array, sigma: np.Array) =>
    x.mul(np.reciprocal(sigma.ref).mul(np.reciprocal(sigma)));
  await expectSame(gradientOfInverse, [sampleOf([3], []), sampleOf([0.7], [])]);
  const numbers = [new ArrayType([], "float32"), new ArrayType([], "float32")];
  expect(await operatorsOf(gradientOfInverse, numbers)).toEqual({ Div: 2 });
});
