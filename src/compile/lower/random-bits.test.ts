import { random, vmap } from "@jax-js/jax";
import { describe, it } from "vitest";
import { expectSame, sampleOf } from "../testing/reference.ts";

const key = sampleOf([0, 42], [2], "uint32");

describe("random numbers are jax-js's own", () => {
  it("bits, and the two words", async () => {
    await expectSame((k) => random.bits(k, [3, 5]), [key]);
    await expectSame((k) => random.split(k, 3), [sampleOf([4e9, 123456789], [2], "uint32")]);
    await expectSame((k) => random.bits(k), [key]);
  });

  it("of a batch of keys", async () => {
    await expectSame((k) => vmap((one) => random.bits(one, [4]))(random.split(k, 3)), [key]);
  });

  it("uniform, normal and whole numbers, Bernoulli, permutations", async () => {
    await expectSame((k) => random.uniform(k, [7]), [key]);
    await expectSame((k) => random.normal(k, [7]), [key]);
    await expectSame((k) => random.randint(k, { minval: -3, maxval: 9, shape: [20] }), [key]);
    await expectSame((k) => random.bernoulli(k, 0.3, [20]), [key]);
    await expectSame((k) => random.permutation(k, 10), [key]);
  });
});
